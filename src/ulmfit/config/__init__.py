"""What a study may say: recipes of the stages, variants, studies, and how one becomes the other."""
