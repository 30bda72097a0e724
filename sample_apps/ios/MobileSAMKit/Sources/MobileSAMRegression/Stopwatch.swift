/// Times the runs of one stage by the method of docs/latency.md.
enum Stopwatch {
    /// Number of runs in an average.
    static let window = 5
    /// A warm-up is over when the averages of two windows, one after the other, differ by at most this share.
    static let largestChange = 0.04
    static let longestWarmUp = 60_000.0  // milliseconds
    static let mostWarmUpRuns = 500
    static let mostRuns = 100_000

    /// Whether the averages of the last two windows agree. The windows do not overlap.
    static func isSteady(_ milliseconds: [Double]) -> Bool {
        guard milliseconds.count >= 2 * window else { return false }
        let later = milliseconds.suffix(window).reduce(0, +)
        let earlier = milliseconds.suffix(2 * window).prefix(window).reduce(0, +)
        return abs(later - earlier) <= largestChange * earlier
    }

    /// Warm up until the times settle, and then time at least `runs` runs that together take at least
    /// `seconds`.
    ///
    /// - Parameter run: does one run and returns its time in milliseconds.
    /// - Returns: the time of each run after the warm-up, in milliseconds; nil if the times did not settle.
    static func steady(runs: Int, seconds: Double, _ run: () throws -> Double) rethrows -> [Double]? {
        guard try warmUp(run) else { return nil }
        var times: [Double] = []
        var total = 0.0
        while times.count < mostRuns, times.count < runs || total < seconds * 1000 {
            let time = try run()
            times.append(time)
            total += time
        }
        return times
    }

    private static func warmUp(_ run: () throws -> Double) rethrows -> Bool {
        var times: [Double] = []
        var total = 0.0
        while !isSteady(times) {
            guard times.count < mostWarmUpRuns, total < longestWarmUp else { return false }
            let time = try run()
            times.append(time)
            total += time
        }
        return true
    }
}

/// The time that `work` takes, in milliseconds, and its result.
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
