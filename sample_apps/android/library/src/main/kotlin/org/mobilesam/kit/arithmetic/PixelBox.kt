package org.mobilesam.kit.arithmetic

/**
 * A rectangle of pixels. [left] and [top] are its first column and row, and [right] and [bottom] are the first ones after
 * it: `right - left` is its width. All are 0 if it has no pixel.
 */
data class PixelBox(val left: Int, val top: Int, val right: Int, val bottom: Int)
