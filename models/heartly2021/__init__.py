"""HeartlyAI 2021: waves, beats and diagnosis by one network."""
