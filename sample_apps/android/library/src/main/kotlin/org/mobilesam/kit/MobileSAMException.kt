package org.mobilesam.kit

/** An error that an app shows its user. The message is one line. */
sealed class MobileSAMException(message: String, cause: Throwable?) : Exception(message, cause)

/** An artifact is missing, damaged or made for something else. */
class ArtifactException(message: String, cause: Throwable? = null) : MobileSAMException(message, cause)

/** A photo cannot be read. */
class PhotoException(message: String, cause: Throwable? = null) : MobileSAMException(message, cause)

/** A prompt is about no photo, or the mask decoder cannot take it. */
class PromptException(message: String) : MobileSAMException(message, null)
