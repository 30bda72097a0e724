package org.mobilesam.kit.testing

import kotlin.math.abs
import org.mobilesam.kit.arithmetic.Frame
import org.mobilesam.kit.arithmetic.SlotPrompt
import org.mobilesam.kit.artifact.Artifact
import org.mobilesam.kit.engine.DecoderAnswer
import org.mobilesam.kit.engine.Engine
import org.mobilesam.kit.platform.BitmapPhoto
import org.mobilesam.kit.platform.PhotoReader
import org.mobilesam.kit.regression.GoldenCase
import org.mobilesam.kit.regression.GoldenPhoto
import org.mobilesam.kit.regression.Goldens

/**
 * Answers the golden cases of an artifact with the recorded reference answers, and refuses every other input.
 *
 * It replaces the runtime on a desktop, so that the code around the runtime can be tested.
 */
class RecordedEngine(artifact: Artifact, private val goldens: Goldens) : Engine {
    private val recorded = goldens.photos.map { photo ->
        val bitmapPhoto = BitmapPhoto(PhotoReader(Int.MAX_VALUE).read(photo.file::inputStream))
        val frame = Frame.of(bitmapPhoto, artifact.manifest.frameSize, artifact.manifest.paddingRgb)
        Recorded(photo, frame.toTensor(), photo.imageEmbeddings())
    }

    override fun encode(frame: Frame): FloatArray {
        val tensor = frame.toTensor()
        val known = checkNotNull(recorded.find { it.frame.contentEquals(tensor) }) { "this frame was not recorded" }
        return known.imageEmbeddings
    }

    override fun decode(imageEmbeddings: FloatArray, prompt: SlotPrompt): DecoderAnswer {
        val photo = recorded.find { it.imageEmbeddings.contentEquals(imageEmbeddings) }?.photo
        val case = goldens.cases.find { it.photo == photo && isAsked(it, prompt) }
        checkNotNull(case) { "this prompt was not recorded" }
        return DecoderAnswer(case.lowResMasks(), case.scores)
    }

    override fun close() = Unit

    private fun isAsked(case: GoldenCase, prompt: SlotPrompt): Boolean {
        val isNear = case.pointCoords.zip(prompt.pointCoords).all { (a, b) -> abs(a - b) <= SAME_POINT }
        val recordedMask = case.maskInput(case.maskFrom?.lowResMasks())
        return isNear && case.pointLabels.contentEquals(prompt.pointLabels) && recordedMask.contentEquals(prompt.maskInput)
    }

    private class Recorded(val photo: GoldenPhoto, val frame: FloatArray, val imageEmbeddings: FloatArray)

    private companion object {
        const val SAME_POINT = 1e-3f // pixels of the frame
    }
}
