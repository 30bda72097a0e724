package org.mobilesam.kit.arithmetic

import kotlin.math.floor
import kotlin.math.max

/**
 * Where a photo lies in the square frame that the image encoder takes: at the top left, with its longest side as long
 * as the frame.
 *
 * The arithmetic is that of `resized_size` and `points_to_frame` in `reference/photos/preprocessing.py`.
 *
 * @property photo size of the upright photo.
 * @property frameSize S, the frame's side.
 */
class FrameGeometry(val photo: PixelSize, val frameSize: Int) {
    /** The photo's size in the frame. Sides are rounded half up and are at least 1. */
    val resized: PixelSize

    init {
        val scale = frameSize.toDouble() / max(photo.height, photo.width)
        resized = PixelSize(side(photo.height, scale), side(photo.width, scale))
    }

    /** Convert a point in pixels of the photo to pixels of the frame. Only the result is rounded to float. */
    fun toFrame(point: Point): Point {
        val x = point.x * (resized.width.toDouble() / photo.width)
        val y = point.y * (resized.height.toDouble() / photo.height)
        return Point(x.toFloat().toDouble(), y.toFloat().toDouble())
    }

    private fun side(length: Int, scale: Double) = max(1, floor(length * scale + 0.5).toInt())
}
