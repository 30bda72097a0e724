package org.mobilesam.kit.arithmetic

/** An upright photo, which is read row by row. */
interface Photo {
    val size: PixelSize

    /** Write row [y] to the start of [into]: red, green and blue of each pixel, as unsigned bytes. */
    fun readRow(y: Int, into: ByteArray)
}

/**
 * A photo whose pixels are in memory.
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
