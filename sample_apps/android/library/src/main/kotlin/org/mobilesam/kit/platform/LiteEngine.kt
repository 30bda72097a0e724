package org.mobilesam.kit.platform

import org.mobilesam.kit.ArtifactException
import org.mobilesam.kit.arithmetic.Frame
import org.mobilesam.kit.arithmetic.SlotPrompt
import org.mobilesam.kit.artifact.Artifact
import org.mobilesam.kit.artifact.Manifest
import org.mobilesam.kit.artifact.TensorSpec
import org.mobilesam.kit.engine.DecoderAnswer
import org.mobilesam.kit.engine.Engine
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
) : Engine {
    private val noMask = FloatArray(manifest.lowResSize * manifest.lowResSize)

    override fun encode(frame: Frame): FloatArray =
        encoder.forward(tensor(manifest.imageEncoder.inputs.single(), frame.toTensor())).toTensor().dataAsFloatArray

    override fun decode(imageEmbeddings: FloatArray, prompt: SlotPrompt): DecoderAnswer {
        val values = listOf(
            imageEmbeddings,
            prompt.pointCoords,
            prompt.pointLabels,
            prompt.maskInput ?: noMask,
            floatArrayOf(if (prompt.maskInput == null) 0f else 1f),
        )
        val inputs = manifest.maskDecoder.inputs.zip(values, ::tensor)
        val (lowResMasks, scores) = decoder.forward(*inputs.toTypedArray()).toTuple()
        return DecoderAnswer(lowResMasks.toTensor().dataAsFloatArray, scores.toTensor().dataAsFloatArray)
    }

    override fun close() {
        encoder.destroy()
        decoder.destroy()
    }

    private fun tensor(spec: TensorSpec, values: FloatArray) =
        IValue.from(Tensor.fromBlob(values, spec.shape.map(Int::toLong).toLongArray()))

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
                val encoder = LiteModuleLoader.load(artifact.file(manifest.imageEncoder.file).path)
                val decoder = LiteModuleLoader.load(artifact.file(manifest.maskDecoder.file).path)
                return LiteEngine(manifest, encoder, decoder)
            } catch (error: RuntimeException) { // The runtime turns C++ exceptions into this one.
                val reason = error.message.orEmpty().lineSequence().first().take(200)
                throw ArtifactException("The model cannot be loaded by $RUNTIME: $reason", error)
            }
        }
    }
}
