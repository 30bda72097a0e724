package org.mobilesam.kit.screen

import org.mobilesam.kit.arithmetic.PixelSize
import org.mobilesam.kit.arithmetic.Point

/** A photo fitted into a view of the screen, as large as its shape allows. */
class PhotoLayout private constructor(val photo: PixelSize, private val scale: Double) {
    /** The photo's width on the screen, in the view's unit. */
    val width: Double get() = photo.width * scale

    /** The photo's height on the screen, in the view's unit. */
    val height: Double get() = photo.height * scale

    /**
     * Fit a photo.
     *
     * @param photo the photo's size in pixels.
     * @param width width of the view.
     * @param height height of the view.
     */
    constructor(photo: PixelSize, width: Double, height: Double) :
        this(photo, maxOf(0.0, minOf(width / photo.width, height / photo.height)))

    /** Convert a point of the photo on the screen to pixels of the photo. The result is never outside the photo. */
    fun toPhoto(point: Point): Point {
        if (scale == 0.0) return Point(0.0, 0.0)
        val x = (point.x / width).coerceIn(0.0, 1.0) * photo.width
        val y = (point.y / height).coerceIn(0.0, 1.0) * photo.height
        return Point(x, y)
    }

    /** Convert a point in pixels of the photo to a point of the photo on the screen. */
    fun toView(point: Point) = Point(point.x / photo.width * width, point.y / photo.height * height)
}
