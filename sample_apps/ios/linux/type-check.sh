#!/bin/sh
# Type-check the code that only Xcode can build, in the Swift 6 language mode, against AppleInterfaces.
#
# Usage: type-check.sh        with swiftc on the path
set -eu
cd "$(dirname "$0")/.."
modules=$(mktemp -d)
trap 'rm -rf "$modules"' EXIT

# Apple's own interfaces have the concurrency rules of Swift 5.
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
