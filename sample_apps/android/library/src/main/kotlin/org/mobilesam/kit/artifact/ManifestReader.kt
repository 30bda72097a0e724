package org.mobilesam.kit.artifact

import org.json.JSONArray
import org.json.JSONException
import org.json.JSONObject
import org.mobilesam.kit.arithmetic.MaskChoice
import org.mobilesam.kit.arithmetic.PromptLabels
import org.mobilesam.kit.arithmetic.PromptLayout

private const val SCHEMA = "mobile-sam-export/artifact/1"

/** Read the text of a `manifest.json`: see [Manifest.parse]. */
internal fun readManifest(json: String): Manifest = try {
    val root = JSONObject(json)
    requireEqual("schema", root.getString("schema"), SCHEMA)
    requireEqual("format", root.getString("format"), Manifest.FORMAT)
    val components = root.getJSONObject("components")
    val encoder = components.getJSONObject("image_encoder")
    val decoder = components.getJSONObject("mask_decoder")
    manifest(root, encoder, decoder).also { requireInterface(it, encoder, decoder) }
} catch (error: JSONException) {
    throw ArtifactException("${Manifest.FILE} is damaged (${firstLine(error)}): copy the artifact again.", error)
}

/** Names and shapes of a component's `inputs` or `outputs`, in their order. */
internal fun tensors(component: JSONObject, which: String): Map<String, LongArray> =
    component.getJSONArray(which).objects().associate { tensor ->
        tensor.getString("name") to tensor.getJSONArray("shape").longs()
    }.withDefault { throw JSONException("no $which '$it'") }

private fun manifest(root: JSONObject, encoder: JSONObject, decoder: JSONObject): Manifest {
    val preprocessing = root.getJSONObject("preprocessing")
    val masks = root.getJSONObject("masks")
    return Manifest(
        model = root.getString("model"),
        scheme = root.getString("scheme"),
        checkpointSha256 = root.getJSONObject("checkpoint").getString("sha256"),
        frameSize = preprocessing.getInt("frame_size"),
        paddingRgb = preprocessing.getJSONArray("padding_rgb").floats(),
        embeddingsShape = tensors(encoder, "outputs").getValue("image_embeddings"),
        promptLayout = PromptLayout(root.getInt("prompt_slots"), labels(root.getJSONObject("prompts"))),
        maskChoice = MaskChoice(masks.getInt("single_mask_index"), masks.getJSONArray("multimask_indices").ints()),
        masks = tensors(decoder, "outputs").getValue("iou_predictions").last().toInt(),
        lowResSize = masks.getInt("low_res_size"),
        threshold = masks.getDouble("threshold").toFloat(),
        encoderFile = encoder.getString("file"),
        decoderFile = decoder.getString("file"),
        goldensFile = root.getString("goldens"),
        files = files(root.getJSONObject("files")),
    )
}

private fun labels(prompts: JSONObject): PromptLabels {
    val labels = prompts.getJSONObject("labels")
    fun label(name: String) = labels.getDouble(name).toFloat()
    return PromptLabels(
        objectPoint = label("object_point"),
        backgroundPoint = label("background_point"),
        boxTopLeft = label("box_top_left"),
        boxBottomRight = label("box_bottom_right"),
        emptySlot = label("empty_slot"),
    )
}

private fun files(record: JSONObject): Map<String, FileIdentity> = record.keys().asSequence().associateWith { path ->
    if (path.startsWith("/") || path.split("/").any { it.isEmpty() || it == "." || it == ".." }) {
        throw ArtifactException("${Manifest.FILE} names the file '$path', which is outside its folder.")
    }
    val identity = record.getJSONObject(path)
    FileIdentity(identity.getLong("bytes"), identity.getString("sha256"))
}

private fun requireEqual(what: String, found: String, expected: String) {
    if (found != expected) {
        throw ArtifactException(
            "This artifact does not fit the app: its $what is '$found', and the app needs '$expected'. " +
                "Convert with 'convert torchscript'.",
        )
    }
}

private fun firstLine(error: JSONException) = error.message.orEmpty().lineSequence().first().take(120)

private fun JSONArray.objects() = (0 until length()).map(::getJSONObject)

private fun JSONArray.floats() = FloatArray(length()) { getDouble(it).toFloat() }

private fun JSONArray.ints() = (0 until length()).map(::getInt)

private fun JSONArray.longs() = LongArray(length(), ::getLong)
