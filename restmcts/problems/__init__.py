"""Problems: data sets, the built-in task, answers and grading."""
