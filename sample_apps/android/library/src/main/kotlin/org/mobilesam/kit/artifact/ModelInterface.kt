package org.mobilesam.kit.artifact

import org.json.JSONObject

/**
 * Check that the two models take and return the tensors that the app uses, and that the manifest agrees with itself.
 *
 * @param encoder the image encoder's entry in the manifest.
 * @param decoder the mask decoder's entry.
 * @throws ArtifactException they differ.
 */
internal fun requireInterface(manifest: Manifest, encoder: JSONObject, decoder: JSONObject) {
    val slots = manifest.promptLayout.slots.toLong()
    val side = manifest.frameSize.toLong()
    val low = manifest.lowResSize.toLong()
    val masks = manifest.masks.toLong()
    requireTensors(encoder, "inputs", "image" to longArrayOf(1, 3, side, side))
    requireTensors(encoder, "outputs", "image_embeddings" to manifest.embeddingsShape)
    requireTensors(
        decoder,
        "inputs",
        "image_embeddings" to manifest.embeddingsShape,
        "point_coords" to longArrayOf(1, slots, 2),
        "point_labels" to longArrayOf(1, slots),
        "mask_input" to longArrayOf(1, 1, low, low),
        "has_mask_input" to longArrayOf(1),
    )
    requireTensors(
        decoder,
        "outputs",
        "low_res_masks" to longArrayOf(1, masks, low, low),
        "iou_predictions" to longArrayOf(1, masks),
    )
    if (!isConsistent(manifest)) throw ArtifactException("${Manifest.FILE} contradicts itself: copy the artifact again.")
}

private fun requireTensors(component: JSONObject, which: String, vararg expected: Pair<String, LongArray>) {
    val found = tensors(component, which).map { (name, shape) -> name to shape.toList() }
    if (found != expected.map { (name, shape) -> name to shape.toList() }) {
        val file = component.getString("file")
        throw ArtifactException("This artifact does not fit the app: $file has other $which than the app uses.")
    }
}

/** Whether the choice of masks is possible, the padding is a color, and the files that are used are listed. */
private fun isConsistent(manifest: Manifest): Boolean {
    val choice = manifest.maskChoice
    val indices = choice.multimaskIndices + choice.singleMaskIndex
    val files = listOf(manifest.encoderFile, manifest.decoderFile, manifest.goldensFile)
    return manifest.paddingRgb.size == 3 &&
        choice.multimaskIndices.isNotEmpty() &&
        indices.all { it in 0 until manifest.masks } &&
        files.all { it in manifest.files }
}
