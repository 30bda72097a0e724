#!/bin/sh
# Type-check, in Swift 6's language mode, what only Xcode can build: against AppleInterfaces, with nothing behind them.
#
# Usage: type-check.sh        with swiftc on the path
set -eu
cd "$(dirname "$0")/.."
modules=$(mktemp -d)
trap 'rm -rf "$modules"' EXIT

# Apple's own are of Swift 5's time, as far as concurrency goes.
for module in CoreGraphics ImageIO CoreVideo CoreML CryptoKit Darwin UIKit Combine SwiftUI PhotosUI; do
    swiftc -swift-version 5 -parse-as-library -suppress-warnings -I "$modules" -module-name "$module" \
        -emit-module -emit-module-path "$modules/$module.swiftmodule" "linux/AppleInterfaces/$module.swift"
done
for module in MobileSAMKit MobileSAMRegression; do
    find "MobileSAMKit/Sources/$module" -name '*.swift' -print | sort | xargs \
        swiftc -swift-version 6 -warnings-as-errors -parse-as-library -I "$modules" \
        -module-name "$module" -emit-module -emit-module-path "$modules/$module.swiftmodule"
done
for module in MobileSAMSample MobileSAMSampleTests; do
    swiftc -swift-version 6 -warnings-as-errors -parse-as-library -I "$modules" \
        -module-name "$module" -typecheck "$module"/*.swift
done
