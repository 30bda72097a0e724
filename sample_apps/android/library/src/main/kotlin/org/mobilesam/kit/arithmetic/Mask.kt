package org.mobilesam.kit.arithmetic

/**
 * Which pixels of a photo belong to an object.
 *
 * @property pixels whether each pixel belongs to the object, row by row.
 */
class Mask(val size: PixelSize, val pixels: BooleanArray) {
    init {
        require(pixels.size == size.area) { "${pixels.size} pixels: expected ${size.area} for $size" }
    }

    /** Number of pixels that belong to the object. */
    val area: Int get() = pixels.count { it }

    /** The smallest box around the object. An empty mask has an empty box. */
    val boundingBox: PixelBox
        get() {
            var (left, right) = size.width to 0
            var (top, bottom) = size.height to 0
            for (y in 0 until size.height) {
                for (x in 0 until size.width) {
                    if (!pixels[y * size.width + x]) continue
                    left = minOf(left, x)
                    right = maxOf(right, x + 1)
                    top = minOf(top, y)
                    bottom = y + 1
                }
            }
            return if (right == 0) PixelBox(0, 0, 0, 0) else PixelBox(left, top, right, bottom)
        }

    /** Intersection over union with a mask of the same size, 0…1. Two empty masks have 1. */
    fun iou(other: Mask): Double {
        require(size == other.size) { "masks of $size and of ${other.size} cannot be compared" }
        var intersection = 0
        var union = 0
        for (index in pixels.indices) {
            if (pixels[index] && other.pixels[index]) intersection++
            if (pixels[index] || other.pixels[index]) union++
        }
        return if (union == 0) 1.0 else intersection.toDouble() / union
    }

    override fun equals(other: Any?) = other is Mask && size == other.size && pixels.contentEquals(other.pixels)

    override fun hashCode() = 31 * size.hashCode() + pixels.contentHashCode()
}
