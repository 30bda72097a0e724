package org.mobilesam.kit.regression

import kotlin.math.abs

/** Times runs by the method of docs/latency.md. */
class Stopwatch(private val nanoTime: () -> Long) {
    /** Time one run, in milliseconds. */
    fun time(run: () -> Unit): Double {
        val start = nanoTime()
        run()
        return maxOf(nanoTime() - start, 1) / 1e6
    }

    /**
     * Warm up until the times settle. Then time at least [runs] runs that together take at least [seconds].
     *
     * @throws IllegalStateException the times do not settle.
     */
    fun steady(runs: Int, seconds: Double, run: () -> Unit): List<Double> {
        warmUp(run)
        val times = ArrayList<Double>()
        var total = 0.0
        while ((times.size < runs || total < seconds * 1000) && times.size < MOST_RUNS) {
            times.add(time(run))
            total += times.last()
        }
        return times
    }

    private fun warmUp(run: () -> Unit) {
        val times = ArrayList<Double>()
        while (!isSteady(times)) {
            check(times.sum() < LONGEST_WARM_UP && times.size < MOST_WARM_UP_RUNS) {
                "the times did not settle in ${times.size} runs: let the phone cool, and close other apps"
            }
            times.add(time(run))
        }
    }

    /** Whether the averages of the last two windows agree. The windows do not overlap. */
    private fun isSteady(times: List<Double>): Boolean {
        if (times.size < 2 * WINDOW) return false
        val later = times.takeLast(WINDOW).average()
        val earlier = times.dropLast(WINDOW).takeLast(WINDOW).average()
        return abs(later - earlier) <= LARGEST_CHANGE * earlier
    }

    private companion object {
        const val WINDOW = 5
        const val LARGEST_CHANGE = 0.04
        const val LONGEST_WARM_UP = 60_000.0 // milliseconds
        const val MOST_WARM_UP_RUNS = 500
        const val MOST_RUNS = 100_000 // the most that a document may have
    }
}
