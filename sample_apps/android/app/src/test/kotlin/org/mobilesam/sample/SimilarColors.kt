package org.mobilesam.sample

import org.mobilesam.kit.arithmetic.Frame
import org.mobilesam.kit.arithmetic.SlotPrompt
import org.mobilesam.kit.artifact.Manifest
import org.mobilesam.kit.engine.DecoderAnswer
import org.mobilesam.kit.engine.Engine

/**
 * Replaces the models on a desktop, where there is no runtime. An object is the connected region around a tapped pixel
 * in which the colors are as warm as there.
 *
 * Its "embeddings" are the frame's pixels at the masks' resolution.
 */
class SimilarColors(private val manifest: Manifest) : Engine {
    private val side = manifest.lowResSize
    private val step = manifest.frameSize / side

    override fun encode(frame: Frame): FloatArray {
        val tensor = frame.toTensor()
        return FloatArray(3 * side * side) { index ->
            val (channel, y, x) = Triple(index / (side * side), index / side % side, index % side)
            tensor[(channel * manifest.frameSize + y * step + step / 2) * manifest.frameSize + x * step + step / 2]
        }
    }

    override fun decode(imageEmbeddings: FloatArray, prompt: SlotPrompt): DecoderAnswer {
        val isObject = BooleanArray(side * side)
        val corners = prompt.pointLabels.indices.filter { prompt.pointLabels[it] > 1 }
        if (corners.isNotEmpty()) fillBox(isObject, pixel(prompt, corners[0]), pixel(prompt, corners[1]))
        for (slot in prompt.pointLabels.indices.filter { prompt.pointLabels[it] in 0f..1f }) {
            fillRegion(isObject, imageEmbeddings, pixel(prompt, slot), prompt.pointLabels[slot] == 1f)
        }
        val logits = FloatArray(manifest.numMasks * side * side) { if (isObject[it % (side * side)]) 1f else -1f }
        return DecoderAnswer(logits, FloatArray(manifest.numMasks) { SCORE })
    }

    override fun close() = Unit

    private fun pixel(prompt: SlotPrompt, slot: Int): Int {
        val (x, y) = (0..1).map { (prompt.pointCoords[2 * slot + it] / step).toInt().coerceIn(0, side - 1) }
        return y * side + x
    }

    private fun fillBox(isObject: BooleanArray, from: Int, to: Int) {
        for (y in from / side..to / side) isObject.fill(true, y * side + from % side, y * side + to % side)
    }

    private fun fillRegion(isObject: BooleanArray, colors: FloatArray, start: Int, value: Boolean) {
        val seen = BooleanArray(side * side)
        val queue = ArrayDeque(listOf(start))
        while (queue.isNotEmpty()) {
            val pixel = queue.removeFirst()
            if (seen[pixel] || !isSimilar(colors, start, pixel)) continue
            seen[pixel] = true
            isObject[pixel] = value
            if (pixel % side > 0) queue.add(pixel - 1)
            if (pixel % side < side - 1) queue.add(pixel + 1)
            if (pixel >= side) queue.add(pixel - side)
            if (pixel < side * (side - 1)) queue.add(pixel + side)
        }
    }

    private fun isSimilar(colors: FloatArray, a: Int, b: Int) = isWarm(colors, a) == isWarm(colors, b)

    /** More red than blue. */
    private fun isWarm(colors: FloatArray, pixel: Int) = colors[pixel] - colors[2 * side * side + pixel] > WARM

    companion object {
        const val SCORE = 0.93f
        private const val WARM = 90f // of 255
    }
}
