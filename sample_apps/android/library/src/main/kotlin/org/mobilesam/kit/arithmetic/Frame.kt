package org.mobilesam.kit.arithmetic

/**
 * A photo in the square frame, before it becomes the image encoder's input.
 *
 * @property geometry where in the frame the photo lies.
 */
class Frame private constructor(val geometry: FrameGeometry, private val resized: RgbPhoto) {
    /**
     * The image encoder's input: (1, 3, S, S) in C order, RGB in 0…255, not normalized.
     *
     * @param paddingRgb red, green and blue, 0…255, of the area right of and below the photo.
     */
    fun toTensor(paddingRgb: FloatArray): FloatArray {
        val side = geometry.frameSize
        val (height, width) = resized.size
        val tensor = FloatArray(3 * side * side)
        for (channel in 0 until 3) {
            val plane = channel * side * side
            tensor.fill(paddingRgb[channel], plane, plane + side * side)
            for (y in 0 until height) {
                for (x in 0 until width) {
                    val value = resized.rgb[(y * width + x) * 3 + channel].toInt() and 0xFF
                    tensor[plane + y * side + x] = value.toFloat()
                }
            }
        }
        return tensor
    }

    companion object {
        /** Resize [photo] so that its longest side is [frameSize]. */
        fun of(photo: Photo, frameSize: Int): Frame {
            val geometry = FrameGeometry(photo.size, frameSize)
            return Frame(geometry, PhotoResizer.resize(photo, geometry.resized))
        }
    }
}
