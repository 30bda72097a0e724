package org.mobilesam.kit.arithmetic

import org.mobilesam.kit.PromptException

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
         * @param prompt in pixels of the photo.
         * @param geometry where in the frame the photo lies.
         * @throws PromptException the prompt takes more slots than there are.
         */
        fun of(prompt: Prompt, geometry: FrameGeometry, layout: PromptLayout): SlotPrompt {
            val labels = layout.labels
            val filled = prompt.points.map {
                geometry.toFrame(it.point) to if (it.isObject) labels.objectPoint else labels.backgroundPoint
            } + prompt.box?.let {
                listOf(
                    geometry.toFrame(it.topLeft) to labels.boxTopLeft,
                    geometry.toFrame(it.bottomRight) to labels.boxBottomRight,
                )
            }.orEmpty()
            if (filled.size > layout.slots) {
                throw PromptException(
                    "The prompt takes ${filled.size} slots (a point takes one, a box takes two), and this model has ${layout.slots}.",
                )
            }
            val slots = filled + List(layout.slots - filled.size) { layout.emptySlotCoordinates to labels.emptySlot }
            return SlotPrompt(
                slots.flatMap { (point, _) -> listOf(point.x.toFloat(), point.y.toFloat()) }.toFloatArray(),
                slots.map { (_, label) -> label.toFloat() }.toFloatArray(),
                prompt.maskInput,
            )
        }
    }
}
