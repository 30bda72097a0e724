package org.mobilesam.kit.testing

import java.io.File
import org.junit.Assume.assumeTrue
import org.mobilesam.kit.artifact.Artifact

/**
 * Open the artifact in the folder that the environment variable MOBILE_SAM_ARTIFACT names. Without it the test is
 * skipped.
 */
fun givenArtifact(): Artifact {
    val folder = System.getenv("MOBILE_SAM_ARTIFACT")
    assumeTrue("MOBILE_SAM_ARTIFACT names no artifact", folder != null)
    return Artifact.open(File(folder))
}
