import MobileSAMKit
import SwiftUI

/// A photo with the mask and the prompt over it. It takes the user's touches.
struct PhotoView: View {
    let photo: ScreenState.Shown
    let mask: CGImage?
    let prompt: Prompt
    let onTouch: (Touch) -> Void

    /// A finger on the screen: since when, from where, and where it is now.
    private struct Finger {
        let since: Date
        let start: Point
        var end: Point
    }

    @State private var finger: Finger?

    var body: some View {
        GeometryReader { proxy in
            let layout = PhotoLayout(
                photo: photo.size, width: proxy.size.width, height: proxy.size.height)
            ZStack(alignment: .topLeading) {
                Image(decorative: photo.image, scale: 1).resizable()
                if let mask { Image(decorative: mask, scale: 1).resizable() }
                PromptMarks(prompt: shownPrompt(layout), layout: layout)
            }
            .frame(width: layout.width, height: layout.height)
            .contentShape(Rectangle())
            .gesture(touch(layout))
            .accessibilityElement()
            .accessibilityLabel(Text("Photo"))
            .accessibilityHint(
                Text("Tap an object, hold for background, or drag a box around an object.")
            )
            .accessibilityAddTraits(.isImage)
            .accessibilityAction(named: Text("Find the object in the middle")) {
                let middle = Point(x: layout.width / 2, y: layout.height / 2)
                onTouch(.tap(layout.toPhoto(middle)))
            }
            .position(x: proxy.size.width / 2, y: proxy.size.height / 2)
        }
    }

    private func touch(_ layout: PhotoLayout) -> some Gesture {
        DragGesture(minimumDistance: 0, coordinateSpace: .local)
            .onChanged { value in
                let start = Point(value.startLocation)
                // Another start is another finger, because the system can end a touch without a call of
                // `onEnded`.
                if finger?.start != start {
                    finger = Finger(since: value.time, start: start, end: start)
                }
                finger?.end = Point(value.location)
            }
            .onEnded { value in
                let since = finger?.since ?? value.time
                finger = nil
                onTouch(
                    Touch(
                        from: Point(value.startLocation), to: Point(value.location),
                        seconds: value.time.timeIntervalSince(since), in: layout))
            }
    }

    /// The prompt with the box that the user is drawing.
    private func shownPrompt(_ layout: PhotoLayout) -> Prompt {
        guard let finger, Touch.isDrag(from: finger.start, to: finger.end) else { return prompt }
        return prompt.adding(.drag(layout.toPhoto(finger.start), layout.toPhoto(finger.end)))
    }
}

/// Draws a green plus at points on the object, a red cross at points on the background, and the box.
private struct PromptMarks: View {
    let prompt: Prompt
    let layout: PhotoLayout

    var body: some View {
        ForEach(Array(prompt.points.enumerated()), id: \.offset) { _, labeled in
            let point = layout.toView(labeled.point)
            Image(systemName: labeled.isObject ? "plus.circle.fill" : "xmark.circle.fill")
                .foregroundStyle(labeled.isObject ? Color.green : Color.red)
                .background(Circle().fill(Color.white))
                .position(x: point.x, y: point.y)
        }
        if let box = prompt.box {
            let topLeft = layout.toView(box.topLeft)
            let bottomRight = layout.toView(box.bottomRight)
            Rectangle()
                .stroke(Color.accentColor, lineWidth: 2)
                .frame(width: bottomRight.x - topLeft.x, height: bottomRight.y - topLeft.y)
                .position(
                    x: (topLeft.x + bottomRight.x) / 2, y: (topLeft.y + bottomRight.y) / 2)
        }
    }
}

extension Point {
    fileprivate init(_ point: CGPoint) {
        self.init(x: point.x, y: point.y)
    }
}
