package org.mobilesam.kit.arithmetic

/**
 * Enlarges mask logits to a photo's size: bilinear to the frame, the photo's part of it, bilinear to the photo.
 *
 * In float, as torch's `interpolate(mode="bilinear", align_corners=False)`: pixels' centers lie at half coordinates.
 * Masks of large photos are made row by row, so that their logits never are in memory together.
 *
 * @property lowResSize side of the mask decoder's masks.
 */
class MaskResizer(private val geometry: FrameGeometry, private val lowResSize: Int) {
    private val photo = geometry.photo
    private val resized = geometry.resized
    private val frameColumns = Samples(lowResSize, geometry.frameSize)
    private val frameRows = Samples(lowResSize, geometry.frameSize)
    private val photoColumns = Samples(resized.width, photo.width)
    private val photoRows = Samples(resized.height, photo.height)

    /** Logits at the photo's size, row by row, of (lowResSize, lowResSize) [lowRes] logits. */
    fun logits(lowRes: FloatArray): FloatArray {
        val result = FloatArray(photo.area)
        forEachRow(lowRes) { y, row -> row.copyInto(result, y * photo.width) }
        return result
    }

    /** The photo's pixels whose logits are above [threshold]. */
    fun mask(lowRes: FloatArray, threshold: Float): Mask {
        val pixels = BooleanArray(photo.area)
        forEachRow(lowRes) { y, row ->
            for (x in row.indices) pixels[y * photo.width + x] = row[x] > threshold
        }
        return Mask(photo, pixels)
    }

    private inline fun forEachRow(lowRes: FloatArray, use: (Int, FloatArray) -> Unit) {
        require(lowRes.size == lowResSize * lowResSize) { "${lowRes.size} logits: expected $lowResSize²" }
        val frame = FloatArray(resized.area)
        val row = FloatArray(resized.width)
        for (y in 0 until resized.height) {
            interpolate(lowRes, lowResSize, frameRows, frameColumns, y, row)
            row.copyInto(frame, y * resized.width)
        }
        val photoRow = FloatArray(photo.width)
        for (y in 0 until photo.height) {
            interpolate(frame, resized.width, photoRows, photoColumns, y, photoRow)
            use(y, photoRow)
        }
    }

    /** Row [y] of an enlarged image, as long as [row] is. */
    private fun interpolate(
        image: FloatArray,
        stride: Int,
        rows: Samples,
        columns: Samples,
        y: Int,
        row: FloatArray,
    ) {
        val upper = rows.lower[y] * stride
        val lower = rows.upper[y] * stride
        val weight = rows.upperWeight[y]
        for (x in row.indices) {
            val left = columns.lower[x]
            val right = columns.upper[x]
            val rightWeight = columns.upperWeight[x]
            val leftWeight = 1 - rightWeight
            val above = fused(image[upper + left], leftWeight, image[upper + right] * rightWeight)
            val below = fused(image[lower + left], leftWeight, image[lower + right] * rightWeight)
            row[x] = fused(above, 1 - weight, below * weight)
        }
    }

    /** a·b + c, rounded once, as torch's kernels do on processors that can. A product of two floats is exact in double. */
    private fun fused(a: Float, b: Float, c: Float): Float = (a.toDouble() * b + c).toFloat()

    /** Which two of [from] values, and how much of the second, make each of [to] values. */
    private class Samples(from: Int, to: Int) {
        val lower = IntArray(to)
        val upper = IntArray(to)
        val upperWeight = FloatArray(to)

        init {
            val scale = from.toFloat() / to
            for (index in 0 until to) {
                val position = maxOf(0f, scale * (index + 0.5f) - 0.5f)
                lower[index] = minOf(position.toInt(), from - 1)
                upper[index] = minOf(lower[index] + 1, from - 1)
                upperWeight[index] = (position - lower[index]).coerceIn(0f, 1f)
            }
        }
    }
}
