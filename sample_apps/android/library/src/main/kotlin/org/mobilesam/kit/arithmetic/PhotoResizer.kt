package org.mobilesam.kit.arithmetic

import kotlin.math.abs
import kotlin.math.max
import kotlin.math.min

private const val CHANNELS = 3
private const val PRECISION_BITS = 32 - 8 - 2
private const val HALF = 1 shl (PRECISION_BITS - 1)

/**
 * Bilinear, antialiased resizing in 8 bits: bit for bit what Pillow's `Image.resize(…, BILINEAR)` computes.
 *
 * Rows are resized first, then columns, and each pass rounds to 8 bits. Weights are fixed-point numbers. A pass that
 * would change nothing is left out. Android's own scaling is not antialiased in this way.
 *
 * Source: Pillow's `src/libImaging/Resample.c`.
 */
internal object PhotoResizer {
    /** Resize [photo] to [size]. */
    fun resize(photo: Photo, size: PixelSize): RgbPhoto {
        val rows = resizeRows(photo, size.width)
        return if (size.height == photo.size.height) rows else resizeColumns(rows, size.height)
    }

    private fun resizeRows(photo: Photo, width: Int): RgbPhoto {
        val size = PixelSize(photo.size.height, width)
        val row = ByteArray(photo.size.width * CHANNELS)
        val result = ByteArray(size.area * CHANNELS)
        val filter = if (width == photo.size.width) null else TriangleFilter(photo.size.width, width)
        for (y in 0 until size.height) {
            photo.readRow(y, row)
            val start = y * width * CHANNELS
            if (filter == null) row.copyInto(result, start) else filter.applyToRow(row, result, start)
        }
        return RgbPhoto(size, result)
    }

    private fun resizeColumns(photo: RgbPhoto, height: Int): RgbPhoto {
        val size = PixelSize(height, photo.size.width)
        val stride = size.width * CHANNELS
        val result = ByteArray(size.area * CHANNELS)
        val filter = TriangleFilter(photo.size.height, height)
        for (y in 0 until height) {
            for (column in 0 until stride) {
                val first = filter.first(y) * stride + column
                result[y * stride + column] = filter.weightedSum(y, photo.rgb, first, stride)
            }
        }
        return RgbPhoto(size, result)
    }
}

/** For each of the [to] pixels of a resized line, the weights of the [from] pixels of the original line. */
private class TriangleFilter(from: Int, private val to: Int) {
    private val firsts = IntArray(to)
    private val weights: Array<IntArray>

    init {
        val scale = from.toDouble() / to
        val support = max(scale, 1.0) // of the triangle, which is wider than a pixel where the line shrinks
        weights = Array(to) { index ->
            val center = (index + 0.5) * scale
            val first = max(0, (center - support + 0.5).toInt())
            val end = min(from, (center + support + 0.5).toInt())
            firsts[index] = first
            fixedPoint(DoubleArray(end - first) { triangle((it + first - center + 0.5) * (1.0 / support)) })
        }
    }

    fun first(index: Int) = firsts[index]

    fun applyToRow(row: ByteArray, result: ByteArray, start: Int) {
        for (x in 0 until to) {
            for (channel in 0 until CHANNELS) {
                val first = firsts[x] * CHANNELS + channel
                result[start + x * CHANNELS + channel] = weightedSum(x, row, first, CHANNELS)
            }
        }
    }

    /** The weighted sum for pixel [index] of the values that start at [first] and lie [step] apart. */
    fun weightedSum(index: Int, values: ByteArray, first: Int, step: Int): Byte {
        var sum = HALF
        var position = first
        for (weight in weights[index]) {
            sum += (values[position].toInt() and 0xFF) * weight
            position += step
        }
        return (sum shr PRECISION_BITS).coerceIn(0, 255).toByte()
    }

    private fun triangle(x: Double) = max(0.0, 1.0 - abs(x))

    private fun fixedPoint(raw: DoubleArray): IntArray {
        var total = 0.0
        for (weight in raw) total += weight
        return IntArray(raw.size) { (0.5 + raw[it] / total * (1 shl PRECISION_BITS)).toInt() }
    }
}
