package org.mobilesam.kit.engine

import org.mobilesam.kit.arithmetic.Frame
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
interface Engine : AutoCloseable {
    /** Compute the photo's `image_embeddings`, in C order. */
    fun encode(frame: Frame): FloatArray

    /** Answer a prompt about the photo with [imageEmbeddings], which [encode] returned. */
    fun decode(imageEmbeddings: FloatArray, prompt: SlotPrompt): DecoderAnswer
}
