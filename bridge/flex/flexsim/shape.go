package flexsim

import "time"

// The JSON forms of the resources: snake case, null for what is unset, dates in
// whole seconds.

func restTime(t time.Time) string { return t.Format("2006-01-02T15:04:05Z") }

func orNull(text string) any {
	if text == "" {
		return nil
	}
	return text
}

func conversationURL(c string) string { return apiURL + "/v1/Conversations/" + c }

func (s *Sim) shapeConversation(c *Conversation) any {
	here := conversationURL(c.SID)
	return map[string]any{
		"sid": c.SID, "account_sid": s.config.AccountSID, "chat_service_sid": s.config.ServiceSID,
		"messaging_service_sid": messagingServiceSID,
		"friendly_name":         orNull(c.FriendlyName), "unique_name": orNull(c.UniqueName),
		"attributes": c.Attributes, "state": c.State,
		"date_created": restTime(c.Created), "date_updated": restTime(c.Updated),
		"timers": c.timers.shape(c), "bindings": map[string]any{}, "url": here,
		"links": map[string]any{
			"participants": here + "/Participants", "messages": here + "/Messages", "webhooks": here + "/Webhooks",
		},
	}
}

func (s *Sim) shapeParticipantConversation(c *Conversation, p Participant) any {
	here := conversationURL(c.SID)
	return map[string]any{
		"account_sid": s.config.AccountSID, "chat_service_sid": s.config.ServiceSID,
		"participant_sid": p.SID, "participant_user_sid": nil, "participant_identity": p.Identity,
		"participant_messaging_binding": nil,
		"conversation_sid":              c.SID, "conversation_unique_name": orNull(c.UniqueName),
		"conversation_friendly_name": orNull(c.FriendlyName), "conversation_attributes": c.Attributes,
		"conversation_date_created": restTime(c.Created), "conversation_date_updated": restTime(c.Updated),
		"conversation_created_by": "system", "conversation_state": c.State,
		"conversation_timers": c.timers.shape(c),
		"links":               map[string]any{"participant": here + "/Participants/" + p.SID, "conversation": here},
	}
}

func (s *Sim) shapeParticipant(c *Conversation, p Participant) any {
	return map[string]any{
		"sid": p.SID, "account_sid": s.config.AccountSID, "conversation_sid": c.SID,
		"identity": p.Identity, "messaging_binding": nil, "role_sid": roleSID, "attributes": p.Attributes,
		"date_created": restTime(p.Created), "date_updated": restTime(p.Updated),
		"last_read_message_index": nil, "last_read_timestamp": nil,
		"url": conversationURL(c.SID) + "/Participants/" + p.SID,
	}
}

func (s *Sim) shapeMessage(m Message) any {
	here := conversationURL(m.Conversation) + "/Messages/" + m.SID
	var media []any // null when there is none
	for _, file := range m.Media {
		media = append(media, map[string]any{
			"category": "media", "sid": file.SID, "content_type": file.Type, "filename": orNull(file.Name), "size": file.Size,
		})
	}
	return map[string]any{
		"sid": m.SID, "account_sid": s.config.AccountSID, "conversation_sid": m.Conversation,
		"index": m.Index, "author": m.Author, "body": orNull(m.Text), "media": media,
		"attributes": m.Attributes, "participant_sid": orNull(m.Participant), "content_sid": nil,
		"date_created": restTime(m.Created), "date_updated": restTime(m.Created), "delivery": nil, "url": here,
		"links": map[string]any{"delivery_receipts": here + "/Receipts", "channel_metadata": here + "/ChannelMetadata"},
	}
}

func (s *Sim) shapeHook(c *Conversation, h Hook) any {
	configuration := map[string]any{"filters": h.Filters}
	if h.Target == "studio" {
		configuration["flow_sid"] = h.FlowSID
	} else {
		configuration["url"], configuration["method"] = h.URL, "post"
	}
	return map[string]any{
		"sid": h.SID, "account_sid": s.config.AccountSID, "conversation_sid": c.SID,
		"target": h.Target, "configuration": configuration,
		"date_created": restTime(h.Created), "date_updated": restTime(h.Created),
		"url": conversationURL(c.SID) + "/Webhooks/" + h.SID,
	}
}
