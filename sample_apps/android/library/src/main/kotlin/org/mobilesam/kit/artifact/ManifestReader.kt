package org.mobilesam.kit.artifact

import org.json.JSONArray
import org.json.JSONException
import org.json.JSONObject
import org.mobilesam.kit.ArtifactException
import org.mobilesam.kit.arithmetic.MaskChoice
import org.mobilesam.kit.arithmetic.Point
import org.mobilesam.kit.arithmetic.PromptLabels
import org.mobilesam.kit.arithmetic.PromptLayout

/** Read the text of a `manifest.json`: see [Manifest.parse]. Whether its entries fit each other is not checked here. */
internal fun readManifest(json: String): Manifest = try {
    val root = JSONObject(json)
    requireEqual("schema", root.getString("schema"), Manifest.SCHEMA)
    requireEqual("format", root.getString("format"), Manifest.FORMAT)
    manifest(root)
} catch (error: JSONException) {
    throw ArtifactException("${Manifest.FILE} is damaged (${firstLine(error)}): copy the artifact again.", error)
}

private fun manifest(root: JSONObject): Manifest {
    val checkpoint = root.getJSONObject("checkpoint")
    val preprocessing = root.getJSONObject("preprocessing")
    val masks = root.getJSONObject("masks")
    val components = root.getJSONObject("components")
    return Manifest(
        model = root.getString("model"),
        scheme = root.getString("scheme"),
        checkpoint = Checkpoint(checkpoint.getString("sha256"), checkpoint.getBoolean("trained")),
        frameSize = preprocessing.getInt("frame_size"),
        paddingRgb = preprocessing.getJSONArray("padding_rgb").floats(),
        promptLayout = promptLayout(root.getInt("prompt_slots"), root.getJSONObject("prompts")),
        maskChoice = MaskChoice(masks.getInt("single_mask_index"), masks.getJSONArray("multimask_indices").ints()),
        lowResSize = masks.getInt("low_res_size"),
        threshold = masks.getDouble("threshold").toFloat(),
        imageEncoder = component(components.getJSONObject("image_encoder")),
        maskDecoder = component(components.getJSONObject("mask_decoder")),
        goldens = root.getString("goldens"),
        files = files(root.getJSONObject("files")),
    )
}

private fun promptLayout(slots: Int, prompts: JSONObject): PromptLayout {
    val labels = prompts.getJSONObject("labels")
    val empty = prompts.getJSONArray("empty_slot_coordinates")
    return PromptLayout(
        slots,
        PromptLabels(
            backgroundPoint = labels.getInt("background_point"),
            objectPoint = labels.getInt("object_point"),
            boxTopLeft = labels.getInt("box_top_left"),
            boxBottomRight = labels.getInt("box_bottom_right"),
            emptySlot = labels.getInt("empty_slot"),
        ),
        Point(empty.getDouble(0), empty.getDouble(1)),
    )
}

private fun component(record: JSONObject) =
    Component(record.getString("file"), tensors(record.getJSONArray("inputs")), tensors(record.getJSONArray("outputs")))

private fun tensors(records: JSONArray) = (0 until records.length()).map(records::getJSONObject).map {
    TensorSpec(it.getString("name"), it.getJSONArray("shape").ints())
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

private fun JSONArray.floats() = FloatArray(length()) { getDouble(it).toFloat() }

private fun JSONArray.ints() = (0 until length()).map(::getInt)
