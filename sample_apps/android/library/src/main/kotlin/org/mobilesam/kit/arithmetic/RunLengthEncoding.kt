package org.mobilesam.kit.arithmetic

import org.mobilesam.kit.ArtifactException

/**
 * A mask in COCO's compressed run-length encoding. Runs go down the columns, and the first run is background.
 *
 * @property counts the lengths of the runs as text. A character's code less 48 has 6 bits: 5 bits of a number, the
 *   lowest first, and a bit that says whether more follow. From the fourth number on, each is the difference to the
 *   number two before it. Source: `rleToString` and `rleFrString` in cocoapi's `maskApi.c`.
 */
data class RunLengthEncoding(val size: PixelSize, val counts: String) {
    /**
     * The lengths of the runs.
     *
     * @throws ArtifactException [counts] is damaged.
     */
    fun runs(): IntArray {
        val runs = ArrayList<Int>()
        var position = 0
        while (position < counts.length) {
            var number = 0L
            var shift = 0
            do {
                if (position == counts.length || shift >= Int.SIZE_BITS) throw damaged()
                val character = counts[position++].code - OFFSET
                if (character !in 0..0x3F) throw damaged()
                number = number or ((character and 0x1F).toLong() shl shift)
                shift += BITS
                if (character and 0x20 == 0 && character and 0x10 != 0) number -= 1L shl shift
            } while (character and 0x20 != 0)
            val run = if (runs.size > 2) number + runs[runs.size - 2] else number
            if (run !in 0..Int.MAX_VALUE) throw damaged()
            runs.add(run.toInt())
        }
        return runs.toIntArray()
    }

    /**
     * The mask.
     *
     * @throws ArtifactException [counts] is damaged, or its runs do not add up to [size].
     */
    fun decode(): Mask {
        val runs = runs()
        if (runs.sumOf { it.toLong() } != size.area.toLong()) throw damaged()
        val pixels = BooleanArray(size.area)
        var index = 0
        runs.forEachIndexed { number, run ->
            for (at in index until index + run) {
                if (number % 2 == 1) pixels[at % size.height * size.width + at / size.height] = true
            }
            index += run
        }
        return Mask(size, pixels)
    }

    companion object {
        private const val OFFSET = 48
        private const val BITS = 5

        /** Encode [mask]. */
        fun of(mask: Mask): RunLengthEncoding {
            val runs = ArrayList<Int>()
            var value = false
            var length = 0
            for (x in 0 until mask.size.width) {
                for (y in 0 until mask.size.height) {
                    if (mask.pixels[y * mask.size.width + x] != value) {
                        runs.add(length)
                        length = 0
                        value = !value
                    }
                    length++
                }
            }
            runs.add(length)
            return RunLengthEncoding(mask.size, write(runs))
        }

        private fun damaged() = ArtifactException(
            "This is not a mask: expected compressed COCO RLE whose runs fill its size. Copy the artifact again.",
        )

        private fun write(runs: List<Int>) = buildString {
            runs.forEachIndexed { index, run ->
                var number = if (index > 2) run - runs[index - 2] else run
                do {
                    var character = number and 0x1F
                    number = number shr BITS
                    val more = if (character and 0x10 != 0) number != -1 else number != 0
                    if (more) character = character or 0x20
                    append((character + OFFSET).toChar())
                } while (more)
            }
        }
    }
}
