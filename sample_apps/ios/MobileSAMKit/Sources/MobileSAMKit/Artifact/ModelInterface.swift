/// Check that the two models take and return the tensors that the app uses, and that the manifest agrees with
/// itself.
///
/// - Throws: `ArtifactError` if they differ.
func requireInterface(_ manifest: Manifest) throws {
    let slots = manifest.promptLayout.slots
    let side = manifest.frameSize
    let low = manifest.lowResSize
    let masks = manifest.numMasks
    let encoder = manifest.imageEncoder
    let decoder = manifest.maskDecoder
    let embeddings = TensorSpec(name: "image_embeddings", shape: encoder.outputs.first?.shape ?? [])
    try requireTensors(
        encoder, "inputs", encoder.inputs, [TensorSpec(name: "image", shape: [1, 3, side, side])])
    try requireTensors(encoder, "outputs", encoder.outputs, [embeddings])
    try requireTensors(
        decoder, "inputs", decoder.inputs,
        [
            embeddings,
            TensorSpec(name: "point_coords", shape: [1, slots, 2]),
            TensorSpec(name: "point_labels", shape: [1, slots]),
            TensorSpec(name: "mask_input", shape: [1, 1, low, low]),
            TensorSpec(name: "has_mask_input", shape: [1]),
        ])
    try requireTensors(
        decoder, "outputs", decoder.outputs,
        [
            TensorSpec(name: "low_res_masks", shape: [1, masks, low, low]),
            TensorSpec(name: "iou_predictions", shape: [1, masks]),
        ])
    guard isConsistent(manifest) else {
        throw ArtifactError("\(Manifest.file) contradicts itself: convert again")
    }
}

private func requireTensors(
    _ component: Component, _ which: String, _ found: [TensorSpec], _ expected: [TensorSpec]
) throws {
    guard found == expected else {
        throw ArtifactError(
            "\(component.file) has other \(which) than the app uses: convert again with the version that this "
                + "app comes from")
    }
}

/// Whether sizes and the choice of masks are possible, the padding is a color, and the files that are used are
/// listed.
private func isConsistent(_ manifest: Manifest) -> Bool {
    let choice = manifest.maskChoice
    let indices = choice.multimaskIndices + [choice.singleMaskIndex]
    return (1...8192).contains(manifest.frameSize)
        && (1...8192).contains(manifest.lowResSize)
        && (1...1024).contains(manifest.promptLayout.slots)
        && manifest.paddingRgb.count == 3
        && manifest.paddingRgb.allSatisfy { (0...255).contains($0) }
        && !choice.multimaskIndices.isEmpty
        && indices.allSatisfy { (0..<manifest.numMasks).contains($0) }
        && [manifest.imageEncoder, manifest.maskDecoder].allSatisfy { component in
            manifest.files.keys.contains { $0.hasPrefix(component.file + "/") }
        }
        && manifest.files[manifest.goldens] != nil
}
