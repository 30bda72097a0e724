package org.mobilesam.kit.artifact

/** An artifact is missing, damaged or made for something else. The message is one line for the user. */
class ArtifactException(message: String, cause: Throwable? = null) : Exception(message, cause)
