package org.mobilesam.sample

import org.mobilesam.kit.arithmetic.Prompt
import org.mobilesam.kit.arithmetic.PromptBox
import org.mobilesam.kit.arithmetic.PromptPoint

/** The user's taps and boxes, in their order. A new box replaces the earlier one. */
data class PromptHistory(private val steps: List<Step> = emptyList()) {
    /** A tap, or a box. */
    sealed interface Step {
        data class Tap(val point: PromptPoint) : Step

        data class Drag(val box: PromptBox) : Step
    }

    val isEmpty: Boolean get() = steps.isEmpty()

    val points: List<PromptPoint> get() = steps.filterIsInstance<Step.Tap>().map { it.point }

    val box: PromptBox? get() = steps.filterIsInstance<Step.Drag>().lastOrNull()?.box

    fun toPrompt() = Prompt(points, box)

    operator fun plus(step: Step) = PromptHistory(steps + step)

    fun undo() = PromptHistory(steps.dropLast(1))
}
