"""What a person looks at: reports, figures, the explorer."""
