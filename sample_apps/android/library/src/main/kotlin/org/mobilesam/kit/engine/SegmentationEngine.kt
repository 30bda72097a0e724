package org.mobilesam.kit.engine

import org.mobilesam.kit.arithmetic.SlotPrompt

/**
 * The mask decoder's answer to one prompt.
 *
 * @property lowResMasks (1, masks, lowResSize, lowResSize) logits over the frame.
 * @property scores (1, masks) the model's own estimate of each mask's IoU, about 0…1.
 */
class DecoderAnswer(val lowResMasks: FloatArray, val scores: FloatArray) {
    /** The logits of mask [index]. */
    fun lowResMask(index: Int): FloatArray {
        val size = lowResMasks.size / scores.size
        return lowResMasks.copyOfRange(index * size, (index + 1) * size)
    }
}

/** Runs the two models of an artifact. Only one thread at a time may use an engine. */
interface SegmentationEngine : AutoCloseable {
    /** Compute the image embeddings of a (1, 3, S, S) [frame] with values in 0…255. */
    fun encode(frame: FloatArray): FloatArray

    /** Answer a prompt about the photo with [imageEmbeddings]. */
    fun decode(imageEmbeddings: FloatArray, prompt: SlotPrompt): DecoderAnswer
}
