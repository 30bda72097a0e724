package org.mobilesam.kit.arithmetic

/**
 * A photo in the square frame that the image encoder takes. The rest of the frame has one color.
 *
 * @property geometry where in the frame the photo lies.
 * @param paddingRgb red, green and blue, 0…255, of the area right of and below the photo.
 */
class Frame private constructor(
    val geometry: FrameGeometry,
    private val paddingRgb: FloatArray,
    private val resized: RgbPhoto,
) {
    /** The image encoder's input: (1, 3, S, S) in C order, RGB in 0…255, not normalized. */
    fun toTensor(): FloatArray {
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
        /**
         * Resize [photo] so that its longest side is [frameSize], and place it at the top left, as `photo_to_frame` in
         * `reference/photos/preprocessing.py` does.
         */
        fun of(photo: Photo, frameSize: Int, paddingRgb: FloatArray): Frame {
            val geometry = FrameGeometry(photo.size, frameSize)
            return Frame(geometry, paddingRgb, PhotoResizer.resize(photo, geometry.resized))
        }
    }
}
