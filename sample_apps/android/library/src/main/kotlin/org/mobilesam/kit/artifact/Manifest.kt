package org.mobilesam.kit.artifact

import org.json.JSONArray
import org.json.JSONException
import org.json.JSONObject
import org.mobilesam.kit.arithmetic.MaskChoice
import org.mobilesam.kit.arithmetic.PromptLayout

/** An artifact that is missing, damaged or made for something else. The message is one line for the user. */
class ArtifactException(message: String, cause: Throwable? = null) : Exception(message, cause)

/** A file's size in bytes and SHA-256 in lower-case hexadecimal. */
data class FileIdentity(val bytes: Long, val sha256: String)

/**
 * What an artifact's `manifest.json` says: every size, name and constant that the app uses.
 *
 * @property frameSize S, the side of the image encoder's input.
 * @property paddingRgb color of the frame's area beside the photo.
 * @property embeddingsShape shape of the image embeddings.
 * @property masks how many masks an answer has.
 * @property lowResSize side of those masks.
 * @property threshold logits above it are object.
 * @property encoderFile path of the image encoder below the artifact's folder.
 * @property decoderFile path of the mask decoder.
 * @property goldensFile path of the goldens' list.
 * @property files every other file of the artifact by its path.
 */
class Manifest(
    val model: String,
    val scheme: String,
    val checkpointSha256: String,
    val frameSize: Int,
    val paddingRgb: FloatArray,
    val embeddingsShape: LongArray,
    val prompts: PromptLayout,
    val choice: MaskChoice,
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
        private const val SCHEMA = "mobile-sam-export/artifact/1"

        /**
         * Read [json].
         *
         * @throws ArtifactException it is no manifest, of another schema, for another platform, or contradicts itself.
         */
        fun parse(json: String): Manifest = try {
            read(JSONObject(json))
        } catch (error: JSONException) {
            throw ArtifactException("$FILE is damaged (${firstLine(error)}): copy the artifact again.", error)
        }

        private fun read(root: JSONObject): Manifest {
            fits("schema", root.getString("schema"), SCHEMA)
            fits("format", root.getString("format"), FORMAT)
            val preprocessing = root.getJSONObject("preprocessing")
            val masks = root.getJSONObject("masks")
            val encoder = root.getJSONObject("components").getJSONObject("image_encoder")
            val decoder = root.getJSONObject("components").getJSONObject("mask_decoder")
            val manifest = Manifest(
                model = root.getString("model"),
                scheme = root.getString("scheme"),
                checkpointSha256 = root.getJSONObject("checkpoint").getString("sha256"),
                frameSize = preprocessing.getInt("frame_size"),
                paddingRgb = preprocessing.getJSONArray("padding_rgb").doubles().map { it.toFloat() }.toFloatArray(),
                embeddingsShape = tensors(encoder, "outputs").getValue("image_embeddings"),
                prompts = promptLayout(root),
                choice = MaskChoice(
                    masks.getInt("single_mask_index"),
                    masks.getJSONArray("multimask_indices").doubles().map { it.toInt() },
                ),
                masks = tensors(decoder, "outputs").getValue("iou_predictions").last().toInt(),
                lowResSize = masks.getInt("low_res_size"),
                threshold = masks.getDouble("threshold").toFloat(),
                encoderFile = encoder.getString("file"),
                decoderFile = decoder.getString("file"),
                goldensFile = root.getString("goldens"),
                files = files(root.getJSONObject("files")),
            )
            manifest.requireInterface(encoder, decoder)
            return manifest
        }

        private fun promptLayout(root: JSONObject): PromptLayout {
            val labels = root.getJSONObject("prompts").getJSONObject("labels")
            fun label(name: String) = labels.getDouble(name).toFloat()
            return PromptLayout(
                slots = root.getInt("prompt_slots"),
                objectPoint = label("object_point"),
                backgroundPoint = label("background_point"),
                boxTopLeft = label("box_top_left"),
                boxBottomRight = label("box_bottom_right"),
                emptySlot = label("empty_slot"),
            )
        }

        private fun files(record: JSONObject): Map<String, FileIdentity> = record.keys().asSequence().associateWith { path ->
            if (path.startsWith("/") || path.split("/").any { it.isEmpty() || it == "." || it == ".." }) {
                throw ArtifactException("$FILE names the file '$path', which is outside its folder.")
            }
            val identity = record.getJSONObject(path)
            FileIdentity(identity.getLong("bytes"), identity.getString("sha256"))
        }

        private fun tensors(component: JSONObject, which: String): Map<String, LongArray> {
            val list = component.getJSONArray(which)
            return (0 until list.length()).map(list::getJSONObject).associate { tensor ->
                tensor.getString("name") to tensor.getJSONArray("shape").doubles().map { it.toLong() }.toLongArray()
            }.withDefault { throw JSONException("no $which '$it'") }
        }

        private fun JSONArray.doubles(): List<Double> = (0 until length()).map(::getDouble)

        private fun firstLine(error: JSONException) = error.message.orEmpty().lineSequence().first().take(120)

        private fun fits(what: String, found: String, expected: String) {
            if (found != expected) {
                throw ArtifactException(
                    "This artifact does not fit the app: its $what is '$found', and the app needs '$expected'. " +
                        "Convert with 'convert torchscript'.",
                )
            }
        }
    }

    /** What the app hands to the two models, and takes from them, has to be what they have. */
    private fun requireInterface(encoder: JSONObject, decoder: JSONObject) {
        val slots = prompts.slots.toLong()
        val side = frameSize.toLong()
        val low = lowResSize.toLong()
        require(encoder, "inputs", "image" to longArrayOf(1, 3, side, side))
        require(encoder, "outputs", "image_embeddings" to embeddingsShape)
        require(
            decoder,
            "inputs",
            "image_embeddings" to embeddingsShape,
            "point_coords" to longArrayOf(1, slots, 2),
            "point_labels" to longArrayOf(1, slots),
            "mask_input" to longArrayOf(1, 1, low, low),
            "has_mask_input" to longArrayOf(1),
        )
        require(
            decoder,
            "outputs",
            "low_res_masks" to longArrayOf(1, masks.toLong(), low, low),
            "iou_predictions" to longArrayOf(1, masks.toLong()),
        )
        val choices = choice.multimaskIndices + choice.singleMaskIndex
        val listed = listOf(encoderFile, decoderFile, goldensFile).all { it in files }
        if (paddingRgb.size != 3 || choice.multimaskIndices.isEmpty() || choices.any { it !in 0 until masks } || !listed) {
            throw ArtifactException("$FILE contradicts itself: copy the artifact again.")
        }
    }

    private fun require(component: JSONObject, which: String, vararg expected: Pair<String, LongArray>) {
        val found = tensors(component, which).map { (name, shape) -> name to shape.toList() }
        if (found != expected.map { (name, shape) -> name to shape.toList() }) {
            val file = component.getString("file")
            throw ArtifactException("This artifact does not fit the app: $file has other $which than the app's.")
        }
    }
}
