import SwiftUI

/// One or two lines that say what the app is doing, what it found, or what is wrong.
struct StatusView: View {
    let state: ScreenState

    var body: some View {
        VStack(spacing: 4) {
            line.accessibilityAddTraits(.updatesFrequently)
            if !state.isTrained {
                Text("Untrained weights: the masks mean nothing. Convert trained ones.")
                    .font(.footnote)
                    .foregroundStyle(.secondary)
            }
        }
        .frame(minHeight: 44)
    }

    @ViewBuilder private var line: some View {
        switch state.status {
        case .loading: ProgressView("Loading the models")
        case .unusable(let message), .failed(let message):
            Label(message, systemImage: "exclamationmark.triangle")
        case .noPhoto: Text("Choose or take a photo.")
        case .readingPhoto: ProgressView("Looking at the photo")
        case .ready: Text("Tap an object. Hold: background. Drag: a box around it.")
        case .working: ProgressView("Finding the object")
        case .answered(let score, let coverage, let milliseconds):
            Text("Score \(score, specifier: "%.2f"), \(milliseconds, specifier: "%.0f") ms")
                .accessibilityLabel(
                    Text(
                        """
                        The mask covers \(coverage * 100, specifier: "%.0f") percent of the photo. \
                        Score \(score, specifier: "%.2f"), in \(milliseconds, specifier: "%.0f") milliseconds.
                        """
                    ))
        }
    }
}
