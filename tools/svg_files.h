/* SPDX-License-Identifier: MIT */
/* The styles and scripts of pictures, line by line; NULL ends them. The build makes them C. */
#ifndef HAK_TOOLS_SVG_FILES_H
#define HAK_TOOLS_SVG_FILES_H

extern const char *const profile_svg_css[], *const profile_svg_js[];
extern const char *const map_svg_css[], *const map_svg_js[];

#endif
