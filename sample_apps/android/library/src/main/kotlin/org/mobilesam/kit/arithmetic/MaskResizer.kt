package org.mobilesam.kit.arithmetic

/**
 * Enlarges mask logits to the frame, crops the frame to the photo's part, and enlarges that to the photo's size. Both
 * enlargements are bilinear.
 *
 * The results are those of torch's `interpolate(mode="bilinear", align_corners=False)` in float32: the centers of
 * pixels lie at half coordinates. Rows are computed one by one, so that a large photo's logits are never all in memory.
 *
 * @property lowResSize side of the mask decoder's masks, in pixels.
 */
class MaskResizer(private val geometry: FrameGeometry, private val lowResSize: Int) {
    private val photo = geometry.photo
    private val resized = geometry.resized
    private val frameColumns = Samples(lowResSize, geometry.frameSize)
    private val frameRows = Samples(lowResSize, geometry.frameSize)
    private val photoColumns = Samples(resized.width, photo.width)
    private val photoRows = Samples(resized.height, photo.height)

    /** Enlarge the (lowResSize, lowResSize) logits [lowRes] to the photo's size, row by row. */
    fun logits(lowRes: FloatArray): FloatArray {
        val result = FloatArray(photo.area)
        forEachRow(lowRes) { y, row -> row.copyInto(result, y * photo.width) }
        return result
    }

    /** The mask of the photo's pixels whose logits are above [threshold]. */
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

    /** Compute row [y] of the enlarged image into [row]. */
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

    /**
     * a·b + c, rounded once, as the fused multiply-add of torch's kernels is. The product of two floats is exact in
     * double.
     */
    private fun fused(a: Float, b: Float, c: Float): Float = (a.toDouble() * b + c).toFloat()

    /** For each of [to] values, the two of [from] values that it lies between, and the weight of the second. */
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
