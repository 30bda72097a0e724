package org.mobilesam.kit.arithmetic

import kotlin.math.floor
import kotlin.math.max

/**
 * Where a photo lies in the square frame that the image encoder sees: top left, its longest side as long as the frame's.
 *
 * The arithmetic is that of `reference/photos/preprocessing.py`.
 *
 * @property photo the photo's size.
 * @property frameSize S, the frame's side.
 */
class FrameGeometry(val photo: PixelSize, val frameSize: Int) {
    /** The photo's size in the frame: sides rounded half up, at least 1. */
    val resized: PixelSize

    init {
        val scale = frameSize.toDouble() / max(photo.height, photo.width)
        resized = PixelSize(side(photo.height, scale), side(photo.width, scale))
    }

    /** Pixels of the photo → pixels of the frame; rounded to float only at the end. */
    fun toFrame(point: Point): Point {
        val x = point.x * (resized.width.toDouble() / photo.width)
        val y = point.y * (resized.height.toDouble() / photo.height)
        return Point(x.toFloat().toDouble(), y.toFloat().toDouble())
    }

    private fun side(length: Int, scale: Double) = max(1, floor(length * scale + 0.5).toInt())
}
