package org.mobilesam.kit.arithmetic

/**
 * Which mask to show: `masks` of `manifest.json`.
 *
 * @property singleMaskIndex the answer to an unambiguous prompt.
 * @property multimaskIndices guesses for an ambiguous one: a single point.
 */
data class MaskChoice(val singleMaskIndex: Int, val multimaskIndices: List<Int>) {
    /** The index of the mask to show; of guesses, the first of those with the highest of [scores]. */
    fun shown(prompt: Prompt, scores: FloatArray): Int =
        if (prompt.isAmbiguous) multimaskIndices.maxBy { scores[it] } else singleMaskIndex
}
