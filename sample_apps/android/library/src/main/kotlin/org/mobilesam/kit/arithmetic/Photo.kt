package org.mobilesam.kit.arithmetic

/** Rows of RGB pixels, as a photo or a bitmap has them. */
interface Photo {
    val size: PixelSize

    /** Write row [y] as red, green, blue, red… to the start of [into], 3 bytes a pixel, 0…255 without sign. */
    fun readRow(y: Int, into: ByteArray)
}

/**
 * Pixels in memory.
 *
 * @property rgb height × width × 3 bytes, row by row.
 */
class RgbPhoto(override val size: PixelSize, val rgb: ByteArray) : Photo {
    init {
        require(rgb.size == size.area * 3) { "${rgb.size} bytes: expected ${size.area * 3} for $size" }
    }

    override fun readRow(y: Int, into: ByteArray) {
        rgb.copyInto(into, 0, y * size.width * 3, (y + 1) * size.width * 3)
    }
}
