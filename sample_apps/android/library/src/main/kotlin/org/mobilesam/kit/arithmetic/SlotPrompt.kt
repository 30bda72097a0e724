package org.mobilesam.kit.arithmetic

/**
 * A prompt in the N fixed slots of the mask decoder (`SlotPrompt` in `converters/prompt_slots.py`).
 *
 * @property pointCoords (1, N, 2) x, y of each slot, in pixels of the frame.
 * @property pointLabels (1, N) label of each slot.
 * @property maskInput (1, 1, lowResSize, lowResSize) logits of an earlier answer, or null.
 */
class SlotPrompt(val pointCoords: FloatArray, val pointLabels: FloatArray, val maskInput: FloatArray? = null) {
    companion object {
        /**
         * Fill the slots with the points and then the two corners of the box. The remaining slots are empty.
         *
         * @throws PromptException the prompt takes more slots than there are.
         */
        fun of(prompt: Prompt, geometry: FrameGeometry, layout: PromptLayout): SlotPrompt {
            val labels = layout.labels
            val entries = prompt.points.map {
                it.point to if (it.isObject) labels.objectPoint else labels.backgroundPoint
            } + prompt.box?.let {
                listOf(it.topLeft to labels.boxTopLeft, it.bottomRight to labels.boxBottomRight)
            }.orEmpty()
            if (entries.size > layout.slots) {
                throw PromptException(
                    "The prompt takes ${entries.size} slots (a point one, a box two), and this model has ${layout.slots}.",
                )
            }
            val pointCoords = FloatArray(layout.slots * 2)
            val pointLabels = FloatArray(layout.slots) { labels.emptySlot }
            entries.forEachIndexed { slot, (point, label) ->
                val inFrame = geometry.toFrame(point)
                pointCoords[2 * slot] = inFrame.x.toFloat()
                pointCoords[2 * slot + 1] = inFrame.y.toFloat()
                pointLabels[slot] = label
            }
            return SlotPrompt(pointCoords, pointLabels, prompt.maskInput)
        }
    }
}

/** A prompt that the mask decoder cannot take. The message is for the user. */
class PromptException(message: String) : Exception(message)
