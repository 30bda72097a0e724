package org.mobilesam.sample

import android.app.Application
import java.io.InputStream
import org.mobilesam.kit.artifact.Artifact
import org.mobilesam.kit.engine.Engine
import org.mobilesam.kit.platform.LiteEngine

/** Where the app gets its model, and which engine runs it. */
open class SampleApplication : Application() {
    /** Open a file of the artifact by its path below `assets/artifact`. */
    open fun openModelAsset(path: String): InputStream = assets.open("artifact/$path")

    /** Load the models of [artifact]. This takes a while. */
    open fun openEngine(artifact: Artifact): Engine = LiteEngine.load(artifact, THREADS)

    companion object {
        /**
         * Half of the cores. Phones have fast and slow cores, and work in equal shares ends when the slowest core is
         * done.
         */
        val THREADS = (Runtime.getRuntime().availableProcessors() / 2).coerceIn(1, 4)
    }
}
