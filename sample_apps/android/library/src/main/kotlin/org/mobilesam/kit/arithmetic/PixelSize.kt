package org.mobilesam.kit.arithmetic

/** Height and width in pixels, at least 1 each. */
data class PixelSize(val height: Int, val width: Int) {
    init {
        require(height >= 1 && width >= 1) { "a size of $height×$width: expected at least 1×1" }
    }

    /** Number of pixels. */
    val area: Int get() = Math.multiplyExact(height, width)
}
