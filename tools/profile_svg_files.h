/* SPDX-License-Identifier: MIT */
/* profile_svg.css and profile_svg.js, line by line; NULL ends them. The build makes them C. */
#ifndef HAK_TOOLS_PROFILE_SVG_FILES_H
#define HAK_TOOLS_PROFILE_SVG_FILES_H

extern const char *const profile_svg_css[], *const profile_svg_js[];

#endif
