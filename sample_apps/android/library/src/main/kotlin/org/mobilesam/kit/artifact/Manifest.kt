package org.mobilesam.kit.artifact

import org.mobilesam.kit.arithmetic.MaskChoice
import org.mobilesam.kit.arithmetic.PromptLayout

/** A file's size in bytes and its SHA-256 in lower-case hexadecimal. */
data class FileIdentity(val bytes: Long, val sha256: String)

/**
 * What an artifact's `manifest.json` says: every size, name and constant that the app uses.
 *
 * @property frameSize S, the side of the frame that the image encoder takes, in pixels.
 * @property paddingRgb red, green and blue, 0…255, of the frame's area right of and below the photo.
 * @property embeddingsShape shape of the image embeddings.
 * @property masks number of masks in an answer.
 * @property lowResSize side of those masks, in pixels.
 * @property threshold a pixel belongs to the object if its logit is above this value.
 * @property encoderFile path of the image encoder below the artifact's folder.
 * @property decoderFile path of the mask decoder below the artifact's folder.
 * @property goldensFile path of `goldens.json` below the artifact's folder.
 * @property files every file of the artifact except the manifest, by its path.
 */
class Manifest(
    val model: String,
    val scheme: String,
    val checkpointSha256: String,
    val frameSize: Int,
    val paddingRgb: FloatArray,
    val embeddingsShape: LongArray,
    val promptLayout: PromptLayout,
    val maskChoice: MaskChoice,
    val masks: Int,
    val lowResSize: Int,
    val threshold: Float,
    val encoderFile: String,
    val decoderFile: String,
    val goldensFile: String,
    val files: Map<String, FileIdentity>,
) {
    companion object {
        const val FILE = "manifest.json"
        const val FORMAT = "torchscript"

        /**
         * Read the text of a `manifest.json`.
         *
         * @throws ArtifactException [json] is not a manifest, has another schema, is for another platform, or
         *   contradicts itself.
         */
        fun parse(json: String): Manifest = readManifest(json)
    }
}
