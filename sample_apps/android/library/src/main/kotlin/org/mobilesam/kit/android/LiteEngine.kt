package org.mobilesam.kit.android

import org.mobilesam.kit.arithmetic.SlotPrompt
import org.mobilesam.kit.artifact.Artifact
import org.mobilesam.kit.artifact.ArtifactException
import org.mobilesam.kit.artifact.Manifest
import org.mobilesam.kit.engine.DecoderAnswer
import org.mobilesam.kit.engine.SegmentationEngine
import org.pytorch.IValue
import org.pytorch.LiteModuleLoader
import org.pytorch.Module
import org.pytorch.PyTorchAndroid
import org.pytorch.Tensor

/** Runs an artifact in PyTorch's lite interpreter, on the CPU. */
class LiteEngine internal constructor(
    private val manifest: Manifest,
    private val encoder: Module,
    private val decoder: Module,
) : SegmentationEngine {
    private val frameShape = longArrayOf(1, 3, manifest.frameSize.toLong(), manifest.frameSize.toLong())
    private val slots = manifest.promptLayout.slots.toLong()
    private val maskShape = longArrayOf(1, 1, manifest.lowResSize.toLong(), manifest.lowResSize.toLong())
    private val noMask = FloatArray(manifest.lowResSize * manifest.lowResSize)

    override fun encode(frame: FloatArray): FloatArray =
        encoder.forward(tensor(frame, frameShape)).toTensor().dataAsFloatArray

    override fun decode(imageEmbeddings: FloatArray, prompt: SlotPrompt): DecoderAnswer {
        val (lowResMasks, scores) = decoder.forward(
            tensor(imageEmbeddings, manifest.embeddingsShape),
            tensor(prompt.pointCoords, longArrayOf(1, slots, 2)),
            tensor(prompt.pointLabels, longArrayOf(1, slots)),
            tensor(prompt.maskInput ?: noMask, maskShape),
            tensor(floatArrayOf(if (prompt.maskInput == null) 0f else 1f), longArrayOf(1)),
        ).toTuple()
        return DecoderAnswer(lowResMasks.toTensor().dataAsFloatArray, scores.toTensor().dataAsFloatArray)
    }

    override fun close() {
        encoder.destroy()
        decoder.destroy()
    }

    private fun tensor(values: FloatArray, shape: LongArray) = IValue.from(Tensor.fromBlob(values, shape))

    companion object {
        /** The runtime's name and version, as reports have it. `library/build.gradle.kts` names the same version. */
        const val RUNTIME = "pytorch_android_lite 2.1.0"

        /**
         * Load both models.
         *
         * @param threads number of threads that compute.
         * @throws ArtifactException the runtime cannot load them.
         */
        fun load(artifact: Artifact, threads: Int): LiteEngine {
            try {
                PyTorchAndroid.setNumThreads(threads)
                val manifest = artifact.manifest
                val encoder = LiteModuleLoader.load(artifact.file(manifest.encoderFile).path)
                val decoder = LiteModuleLoader.load(artifact.file(manifest.decoderFile).path)
                return LiteEngine(manifest, encoder, decoder)
            } catch (error: RuntimeException) { // The runtime turns C++ exceptions into this one.
                val reason = error.message.orEmpty().lineSequence().first().take(200)
                throw ArtifactException("The model cannot be loaded by $RUNTIME: $reason", error)
            }
        }
    }
}
