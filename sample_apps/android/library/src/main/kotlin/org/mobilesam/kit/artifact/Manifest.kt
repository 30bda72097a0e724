package org.mobilesam.kit.artifact

import org.mobilesam.kit.ArtifactException
import org.mobilesam.kit.arithmetic.MaskChoice
import org.mobilesam.kit.arithmetic.PromptLayout

/**
 * What an artifact's `manifest.json` says: every size, name and constant that the app uses.
 *
 * @property frameSize S, the side of the frame that the image encoder takes, in pixels.
 * @property paddingRgb red, green and blue, 0…255, of the frame's area right of and below the photo.
 * @property lowResSize side of the mask decoder's masks, in pixels.
 * @property threshold a pixel belongs to the object if its logit is above this value.
 * @property goldens path of `goldens.json` below the artifact's folder.
 * @property files every file of the artifact except the manifest, by its path below the artifact's folder.
 */
class Manifest(
    val model: String,
    val scheme: String,
    val checkpoint: Checkpoint,
    val frameSize: Int,
    val paddingRgb: FloatArray,
    val promptLayout: PromptLayout,
    val maskChoice: MaskChoice,
    val lowResSize: Int,
    val threshold: Float,
    val imageEncoder: Component,
    val maskDecoder: Component,
    val goldens: String,
    val files: Map<String, FileIdentity>,
) {
    /** Number of masks in an answer. */
    val numMasks: Int get() = maskDecoder.outputs.lastOrNull()?.shape?.lastOrNull() ?: 0

    companion object {
        const val FILE = "manifest.json"
        const val SCHEMA = "mobile-sam-export/artifact/1"
        const val FORMAT = "torchscript"

        /**
         * Read the text of a `manifest.json`.
         *
         * @throws ArtifactException [json] is not a manifest, has another schema, is for another platform, or
         *   contradicts itself.
         */
        fun parse(json: String): Manifest = readManifest(json).also(::requireInterface)
    }
}

/**
 * The weights that the artifact was converted from.
 *
 * @property sha256 in lower-case hexadecimal.
 * @property trained whether the weights were trained. Masks of seeded weights mean nothing.
 */
data class Checkpoint(val sha256: String, val trained: Boolean)

/** A model's file, below the artifact's folder, with its inputs and outputs in their order. */
data class Component(val file: String, val inputs: List<TensorSpec>, val outputs: List<TensorSpec>)

/** An input or output of a model. */
data class TensorSpec(val name: String, val shape: List<Int>) {
    /** Number of scalars in the tensor. */
    val size: Int get() = shape.fold(1, Int::times)
}

/** A file's size in bytes and its SHA-256 in lower-case hexadecimal. */
data class FileIdentity(val bytes: Long, val sha256: String)
