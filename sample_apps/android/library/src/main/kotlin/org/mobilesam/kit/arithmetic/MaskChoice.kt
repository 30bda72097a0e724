package org.mobilesam.kit.arithmetic

/**
 * Which of the decoder's masks is shown: `masks` of `manifest.json`.
 *
 * @property singleMaskIndex index of the mask that answers an unambiguous prompt.
 * @property multimaskIndices indices of the guesses for an ambiguous prompt, which is a single point.
 */
data class MaskChoice(val singleMaskIndex: Int, val multimaskIndices: List<Int>) {
    /**
     * Index of the mask to show. For an ambiguous prompt it is the guess with the highest score, and the first of
     * equals. A score of NaN counts as the lowest.
     */
    fun shown(prompt: Prompt, scores: FloatArray): Int =
        if (prompt.isAmbiguous) multimaskIndices.maxBy { ranked(scores[it]) } else singleMaskIndex

    private fun ranked(score: Float): Float = if (score.isNaN()) Float.NEGATIVE_INFINITY else score
}
