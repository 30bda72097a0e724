package org.mobilesam.kit.arithmetic

/** x, then y, in pixels: (0, 0) is the top left corner of the top left pixel. */
data class Point(val x: Double, val y: Double)
