"""The sides a practical article has, each with headings, sentences and points of its own.

`{doing}` is the subject after a preposition; other slots are numbers or kinds of phrases.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Aspect:
    """One side of any practical subject."""

    name: str
    heading: tuple[str, ...]
    purpose: tuple[str, ...]
    sentence: tuple[str, ...]
    point: tuple[str, ...]
    detail: tuple[str, ...]


ASPECTS: tuple[Aspect, ...] = (
    Aspect(
        name="start",
        heading=(
            "Start With a Clear Goal",
            "Decide What Success Looks Like",
            "Know Why You Are Doing This",
        ),
        purpose=("Help the reader name one goal before spending time or money.",),
        sentence=(
            "Most trouble with {doing} begins with a goal that was never written down.",
            "Finish this sentence first: in {weeks} weeks I want to be able to...",
            "A goal you can see or count beats a goal you can only feel.",
            "If two people share the work, ask each of them for the goal and compare the answers.",
            "Write down what you will not try to do yet, because that list keeps the plan small.",
            "A modest goal reached early gives you the patience for the larger one.",
            "Keep the goal where you see it every day, on the fridge or at the top of your notes.",
        ),
        point=(
            "One sentence that says what should be different",
            "A date that is close enough to feel real",
            "The smallest result you would already be glad about",
            "What you are willing to give up for it",
            "Who else needs to agree",
        ),
        detail=("Put It in Writing", "Pick One Thing First"),
    ),
    Aspect(
        name="baseline",
        heading=(
            "Take Stock of Where You Are",
            "Look at Your Starting Point",
            "Be Honest About the First Day",
        ),
        purpose=("Give the reader a baseline, so that progress can be seen later.",),
        sentence=(
            "You cannot judge progress in {doing} without knowing where you began.",
            "Spend one ordinary day watching before you change anything.",
            "Note what already works, since it is easier to keep a habit than to build one.",
            "A short list of facts is more useful here than a long list of worries.",
            "Ask somebody who sees you often; they will notice things you have stopped seeing.",
            "Take a photo or save a copy on the first day, because memory is kind to the past.",
            "Old attempts count as well: they show which step usually goes wrong.",
        ),
        point=(
            "What you have tried before and how it ended",
            "How much time you really have in a week",
            "What you own already and can use",
            "The one step you tend to put off",
            "Anything that would make it unsafe to begin",
        ),
        detail=("A Ten Minute Check", "What to Write Down"),
    ),
    Aspect(
        name="supplies",
        heading=(
            "Gather What You Need",
            "Get the Basics Ready",
            "Set Up Before You Begin",
        ),
        purpose=("List what is needed and, just as useful, what is not.",),
        sentence=(
            "The list of things you need for {doing} is shorter than most shops suggest.",
            "Buy the few things you use daily in good quality and borrow the rest.",
            "Lay everything out the evening before, so that nothing has to be looked for.",
            "Cheap versions are fine for anything you will replace within a month anyway.",
            "Wait with the expensive extras until you have missed them three times.",
            "Keep the supplies in one place, and put them back there every single time.",
            "A checklist on paper still beats an app when your hands are full.",
        ),
        point=(
            "The two or three things used every day",
            "A quiet place that is free at the same hour",
            "Something to keep notes with",
            "A spare of whatever wears out first",
            "The phone number of someone who knows more",
        ),
        detail=("What You Can Skip", "Where to Save Money"),
    ),
    Aspect(
        name="plan",
        heading=(
            "Make a Plan You Can Keep",
            "Plan the First Weeks",
            "Turn the Goal Into Small Steps",
        ),
        purpose=("Turn the goal into steps small enough for an ordinary week.",),
        sentence=(
            "A plan for {doing} should fit on one page, with room left for mistakes.",
            "Short and regular wins: {minutes} minutes a day do more than one long Saturday.",
            "Give each week one main thing, and let everything else be optional.",
            "Leave one day in seven empty, since something always comes up.",
            "Tie each step to something you do anyway, such as breakfast or the walk home.",
            "Decide in advance what the smallest version of a bad day looks like, and do that.",
            "When the plan and the week disagree, change the plan and keep the routine.",
        ),
        point=(
            "Week one: learn the basics and nothing else",
            "Week two: repeat them somewhere new",
            "Week three: add one difficulty",
            "Week four: rest, review and adjust",
            "One fixed time a day, protected from other plans",
        ),
        detail=("A Simple Weekly Rhythm", "When a Day Goes Wrong"),
    ),
    Aspect(
        name="first",
        heading=("Take the First Steps", "Begin Small and Slow", "What to Do on Day One"),
        purpose=("Walk the reader through the first session without overwhelming them.",),
        sentence=(
            "The first attempt at {doing} is for learning how it feels, not for results.",
            "Stop while it is still going well, and the next session will be easier to start.",
            "Do one thing at a time and finish it before you reach for the next.",
            "If something feels too hard, halve it; if it still does, halve it again.",
            "Say out loud what you are doing, which slows you down in a useful way.",
            "Expect to be clumsy for the first {few} days and count that as progress.",
            "End every session with something that already works.",
        ),
        point=(
            "Clear away whatever distracts",
            "Do the easiest step once, slowly",
            "Repeat it {few} times without hurrying",
            "Write one line about how it went",
            "Stop before you are tired",
        ),
        detail=("The First Quarter of an Hour", "How to End Well"),
    ),
    Aspect(
        name="habit",
        heading=(
            "Build a Routine That Lasts",
            "Make It a Habit",
            "Keep Going After the First Week",
        ),
        purpose=("Show how to keep the work alive once the first excitement is gone.",),
        sentence=(
            "Routine carries {doing} through the weeks in which motivation does not.",
            "The same place and the same hour save you a decision every day.",
            "Missing once is an accident, so make sure that the second day does not follow it.",
            "Small rewards work best when they come at once and cost almost nothing.",
            "Count the days you showed up and not the results of those days.",
            "Tell one person what you plan to do this week, and tell them again on Sunday.",
            "Once it feels dull, you are close: dull is how a habit feels from inside.",
        ),
        point=(
            "A fixed cue that starts the session",
            "A version so short that it is hard to skip",
            "A visible row of finished days",
            "A friendly witness",
            "A reward that comes right away",
        ),
        detail=("Cues That Work", "After a Missed Day"),
    ),
    Aspect(
        name="mistakes",
        heading=(
            "Avoid the Common Mistakes",
            "Where Most People Go Wrong",
            "Mistakes Worth Skipping",
        ),
        purpose=("Name the mistakes that cost the most and how to notice them early.",),
        sentence=(
            "Nearly everybody who gives up on {doing} made one of the same few mistakes.",
            "Going too fast is the first of them, and it rarely looks like a mistake at the time.",
            "Advice from many sources at once is the second: pick one method and finish it.",
            "The third is to change something every day, so that nothing has time to work.",
            "Blame is expensive, because it makes you look away just when you should look closely.",
            "If a problem returns three times, the cause lies a step earlier than you think.",
            "Comparing your second week with somebody's second year helps nobody.",
        ),
        point=(
            "Starting with the hardest part",
            "Changing the method every few days",
            "Practising only when the mood is right",
            "Leaving out the boring basics",
            "Waiting too long before asking for help",
        ),
        detail=("Early Warning Signs", "How to Recover"),
    ),
    Aspect(
        name="cost",
        heading=("Know the Real Costs", "Budget Time and Money", "What It Really Takes"),
        purpose=("Give the reader a sober idea of money and hours.",),
        sentence=(
            "The price on the label is the smaller part of what {doing} costs.",
            "Time is the larger part, and most people underestimate it by half.",
            "Set aside a small reserve, for the first surprise tends to come in month two.",
            "Free material is good enough for the first {weeks} weeks in almost every case.",
            "Pay for feedback before you pay for equipment.",
            "Write down every expense for one month, and the next budget makes itself.",
            "Second-hand is sensible for anything without moving parts.",
        ),
        point=(
            "One-off purchases at the beginning",
            "Small running costs every month",
            "Hours per week, counted honestly",
            "A reserve for surprises",
            "What it would cost to stop and start again",
        ),
        detail=("A Budget on One Page", "Hidden Costs"),
    ),
    Aspect(
        name="measure",
        heading=("Measure Your Progress", "See What Is Working", "Track What Matters"),
        purpose=("Offer simple measures that show whether it works.",),
        sentence=(
            "Progress in {doing} is easy to miss from one day to the next.",
            "Choose one number, write it down once a week, and leave it alone in between.",
            "A number that never surprises you is not worth writing down.",
            "Look at four weeks together before you decide that something does not work.",
            "Pictures and recordings show changes that a table hides.",
            "When the number goes the wrong way, ask what changed in the week before.",
            "Stop measuring whatever you would not act on.",
        ),
        point=(
            "One number a week, always on the same day",
            "A short note about what was different",
            "A picture or a recording every month",
            "One question for somebody who knows you",
            "A date for the next honest look",
        ),
        detail=("A Five Minute Review", "Numbers to Ignore"),
    ),
    Aspect(
        name="trouble",
        heading=("Solve Problems as They Come", "When Things Get Stuck", "Handle Setbacks Calmly"),
        purpose=("Give a calm way to deal with what will go wrong.",),
        sentence=(
            "Every account of {doing} that leaves out the setbacks leaves out the useful part.",
            "Go back to the last step that worked and start again from there.",
            "Change one thing, wait {few} days, and look again.",
            "Tired people solve problems badly, so sleep on anything that is not urgent.",
            "Describe the problem in two sentences; often the second one holds the answer.",
            "Somebody has met the same problem before, and a good forum will know it by name.",
            "If it could hurt someone, stop and ask a professional first.",
        ),
        point=(
            "Say exactly what happens and when",
            "Return to the last step that worked",
            "Change a single thing",
            "Wait long enough to see an effect",
            "Ask for help with your notes in hand",
        ),
        detail=("A Method for Stuck Days", "When to Ask an Expert"),
    ),
    Aspect(
        name="people",
        heading=("Get the Right Help", "Learn From Other People", "Find Good Company"),
        purpose=("Show whom to ask, and how to tell good advice from loud advice.",),
        sentence=(
            "Nobody has to work out {doing} alone, and hardly anybody does.",
            "Look for people {few} steps ahead, not {some}: they still remember how it was.",
            "Good teachers ask questions before they give answers.",
            "Be careful with advice that comes without a reason or with a discount code.",
            "Offer help to a beginner, and you will find the gaps in your own knowledge.",
            "A group that meets regularly keeps more people going than the best book.",
            "Say thank you and report back, because that is how you get better answers next time.",
        ),
        point=(
            "One person you may ask silly questions",
            "A local group that meets regularly",
            "One book, read to the end",
            "A professional for the risky parts",
            "A beginner you can help in turn",
        ),
        detail=("Questions to Ask", "Telling Good Advice From Loud"),
    ),
    Aspect(
        name="next",
        heading=("Decide What Comes Next", "Your Next Steps", "Where to Go From Here"),
        purpose=("Close with one small action the reader can take today.",),
        sentence=(
            "The best next step in {doing} is the one you can take before tonight.",
            "Pick a single idea from this guide and try it for {few} days.",
            "Put the next session into your calendar now, with a start and an end.",
            "Come back to your first note in a month and see how much has changed.",
            "Once the basics run by themselves, choose one harder thing and begin again.",
            "Keep what works, drop what does not, and give both decisions a little time.",
            "You do not have to be good at this to begin, but you have to begin to get good.",
        ),
        point=(
            "Choose one step and set a time for it",
            "Tell one person about it",
            "Prepare what you need this evening",
            "Do it once, however short",
            "Write a line about it afterwards",
        ),
        detail=("Today", "In a Month"),
    ),
)
