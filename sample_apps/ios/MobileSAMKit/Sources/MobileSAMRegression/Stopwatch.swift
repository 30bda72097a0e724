/// How the runs of one stage are timed: the method of docs/latency.md.
struct Stopwatch {
    /// How many runs an average is of.
    static let window = 5
    /// Relative difference of two averages that follow each other, at which a warm-up is over.
    static let steady = 0.04
    static let longestWarmUp = 60_000.0  // milliseconds
    static let mostWarmUpRuns = 500
    static let mostRuns = 100_000

    let runs: Int
    /// Milliseconds that the runs take together at least.
    let milliseconds: Double

    /// Whether a warm-up is over: the last five runs took as long as the five before, which they do not overlap.
    static func isSteady(_ milliseconds: [Double]) -> Bool {
        guard milliseconds.count >= 2 * window else { return false }
        let later = milliseconds.suffix(window).reduce(0, +)
        let earlier = milliseconds.suffix(2 * window).prefix(window).reduce(0, +)
        return abs(later - earlier) <= steady * earlier
    }

    /// Warm up, and then measure.
    ///
    /// - Parameter run: one run; gives its milliseconds.
    /// - Returns: milliseconds of each run after the warm-up; nil if that did not come to its end.
    func measure(_ run: () throws -> Double) rethrows -> [Double]? {
        guard try warmUp(run) else { return nil }
        var times: [Double] = []
        var total = 0.0
        while times.count < Self.mostRuns, times.count < runs || total < milliseconds {
            let time = try run()
            times.append(time)
            total += time
        }
        return times
    }

    private func warmUp(_ run: () throws -> Double) rethrows -> Bool {
        var times: [Double] = []
        var total = 0.0
        while !Self.isSteady(times) {
            guard times.count < Self.mostWarmUpRuns, total < Self.longestWarmUp else { return false }
            let time = try run()
            times.append(time)
            total += time
        }
        return true
    }
}

/// Milliseconds that `work` takes, and what it gives.
func timed<Result>(_ work: () throws -> Result) rethrows -> (milliseconds: Double, Result) {
    let clock = ContinuousClock()
    let start = clock.now
    let result = try work()
    return (start.duration(to: clock.now).milliseconds, result)
}

extension Duration {
    var milliseconds: Double {
        Double(components.seconds) * 1000 + Double(components.attoseconds) / 1e15
    }
}
