//! What every scenario needs: peers as child processes, speech, and ears.
