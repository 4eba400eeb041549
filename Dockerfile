# SPDX-License-Identifier: MIT
# Builds libhakmem and runs its tests on Debian 12:
#
#     docker build --tag hakmem-dev .       # builds the release variant and tests it
#     docker run --rm -it hakmem-dev        # a shell in the tree
#
# --build-arg VARIANTS="release debug" selects the variants ("./bootstrap check --help"), and
# --build-arg VARIANTS= tests all of them, which takes half an hour. ./bootstrap installs what it needs.
FROM debian:12
ARG VARIANTS=release
COPY . /src
WORKDIR /src
RUN ./bootstrap check $VARIANTS
CMD ["/bin/bash"]
