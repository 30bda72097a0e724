// swift-tools-version: 6.0
import PackageDescription

let package = Package(
    name: "MobileSAMKit",
    platforms: [.iOS(.v16), .macOS(.v13)],
    products: [
        .library(name: "MobileSAMKit", targets: ["MobileSAMKit"]),
        .library(name: "MobileSAMRegression", targets: ["MobileSAMRegression"]),
    ],
    targets: [
        .target(name: "MobileSAMKit"),
        .target(name: "MobileSAMRegression", dependencies: ["MobileSAMKit"]),
        .testTarget(
            name: "MobileSAMKitTests", dependencies: ["MobileSAMKit", "MobileSAMRegression"]),
    ],
    swiftLanguageModes: [.v6]
)
