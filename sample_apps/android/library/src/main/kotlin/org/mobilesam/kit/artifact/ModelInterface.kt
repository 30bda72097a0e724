package org.mobilesam.kit.artifact

import org.mobilesam.kit.ArtifactException

/**
 * Check that the two models take and return the tensors that the app uses, and that the manifest agrees with itself.
 *
 * @throws ArtifactException they differ.
 */
internal fun requireInterface(manifest: Manifest) {
    val slots = manifest.promptLayout.slots
    val side = manifest.frameSize
    val low = manifest.lowResSize
    val masks = manifest.numMasks
    val encoder = manifest.imageEncoder
    val decoder = manifest.maskDecoder
    val embeddings = TensorSpec("image_embeddings", encoder.outputs.firstOrNull()?.shape.orEmpty())
    requireTensors(encoder, "inputs", encoder.inputs, TensorSpec("image", listOf(1, 3, side, side)))
    requireTensors(encoder, "outputs", encoder.outputs, embeddings)
    requireTensors(
        decoder,
        "inputs",
        decoder.inputs,
        embeddings,
        TensorSpec("point_coords", listOf(1, slots, 2)),
        TensorSpec("point_labels", listOf(1, slots)),
        TensorSpec("mask_input", listOf(1, 1, low, low)),
        TensorSpec("has_mask_input", listOf(1)),
    )
    requireTensors(
        decoder,
        "outputs",
        decoder.outputs,
        TensorSpec("low_res_masks", listOf(1, masks, low, low)),
        TensorSpec("iou_predictions", listOf(1, masks)),
    )
    if (!isConsistent(manifest)) throw ArtifactException("${Manifest.FILE} contradicts itself: copy the artifact again.")
}

private fun requireTensors(component: Component, which: String, found: List<TensorSpec>, vararg expected: TensorSpec) {
    if (found != expected.toList()) {
        throw ArtifactException("This artifact does not fit the app: ${component.file} has other $which than the app uses.")
    }
}

/** Whether the choice of masks is possible, the padding is a color, and the files that are used are listed. */
private fun isConsistent(manifest: Manifest): Boolean {
    val choice = manifest.maskChoice
    val indices = choice.multimaskIndices + choice.singleMaskIndex
    val files = listOf(manifest.imageEncoder.file, manifest.maskDecoder.file, manifest.goldens)
    return manifest.paddingRgb.size == 3 &&
        manifest.paddingRgb.all { it in 0f..255f } &&
        choice.multimaskIndices.isNotEmpty() &&
        indices.all { it in 0 until manifest.numMasks } &&
        files.all { it in manifest.files }
}
