package org.mobilesam.kit.engine

import org.mobilesam.kit.arithmetic.SlotPrompt

/**
 * Masks of one prompt, and how good the model thinks they are.
 *
 * @property lowResMasks (1, masks, lowResSize, lowResSize) logits over the frame.
 * @property scores (1, masks) estimated IoU.
 */
class DecoderAnswer(val lowResMasks: FloatArray, val scores: FloatArray) {
    /** The logits of mask [index]. */
    fun lowResMask(index: Int): FloatArray {
        val size = lowResMasks.size / scores.size
        return lowResMasks.copyOfRange(index * size, (index + 1) * size)
    }
}

/** Runs the two models of an artifact. For one thread at a time. */
interface SegmentationEngine : AutoCloseable {
    /** (1, 3, S, S) frame in 0…255 → image embeddings. */
    fun encode(frame: FloatArray): FloatArray

    /** Answer a prompt about the photo with [imageEmbeddings]. */
    fun decode(imageEmbeddings: FloatArray, prompt: SlotPrompt): DecoderAnswer
}
